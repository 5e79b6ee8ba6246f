//! Families of clients, told by words of their user agents. Pure.
//!
//! Words are whole and anchored; three traps shaped them, which `classify` names.

use super::agent::Agent;

/// Image proxies of mail services: they fetch when somebody looks.
pub(super) fn mail_proxy(agent: &Agent) -> Option<&'static str> {
    const NAMED: &[(&str, &str)] = &[
        ("googleimageproxy", "Gmail"),
        ("ggpht", "Gmail"),
        ("yahoomailproxy", "Yahoo"),
        ("superhumanproxy", "Superhuman"),
        ("seznamemailproxy", "Seznam"),
        ("ramblermail", "Rambler"),
        ("fwdcdn", "ukr.net"),
        ("fastmailua", "Fastmail"),
    ];
    if let Some((_, client)) = NAMED.iter().find(|(word, _)| agent.has_word(&[word])) {
        return Some(client);
    }
    if agent.text == "superhuman" {
        return Some("Superhuman");
    }
    let by_a_proxy = agent.has_ending(&["proxy"], &[]);
    (by_a_proxy && agent.words.iter().any(|word| word.contains("mail"))).then_some("Mail service")
}

pub(super) fn is_scanner(agent: &Agent) -> bool {
    const WORDS: &[&str] = &[
        "nmap",
        "nessus",
        "nuclei",
        "sqlmap",
        "nikto",
        "clamav",
        "barracuda",
        "spamexperts",
        "virustotal",
        "virustotalcloud",
        "detectify",
        "leakix",
        "securityheaders",
        "qualys",
        "openvas",
        "acunetix",
        "netsparker",
        "arachni",
        "shodan",
        "pshtt",
        "scmguard",
        "internetmeasurement",
        "phishtank",
        "safelinks",
        "ssllabs",
        "fortiguard",
        "mimecast",
        "proofpoint",
        "messagelabs",
        "ironport",
        "cloudmark",
        "appengine",
        "safeweb",
        "safesearch",
        "safebrowsing",
        "huaweisymantec",
        "spamassassin",
        "rspamd",
        "amavis",
        "urldefense",
        "vulnerability",
        "sucuri",
        "sitelock",
        "tenable",
        "skipfish",
        "dirbuster",
        "gobuster",
        "feroxbuster",
        "ffuf",
        "wfuzz",
        "w3af",
        "rapid7",
        "zmeu",
        "jorgee",
        "l9tcpid",
        "l9explore",
        "webinspect",
        "ssldetector",
        "mailscanner",
    ];
    const BEGINNINGS: &[&str] = &[
        "netcraft",
        "bitsight",
        "censys",
        "zgrab",
        "expanseinc",
        "paloalto",
    ];
    const ENDINGS: &[&str] = &["scan", "scans", "scanner", "scanning", "scanners"];
    const PHRASES: &[&str] = &[
        "ssl labs",
        "virus check",
        "virus scan",
        "expanse indexes",
        "palo alto networks",
        "link resolver",
        "microsoft exchange/",
        "security audit",
        "security assessment",
        "web reputation",
        "safe links",
    ];
    // Names of vendors that make browsers too: only where nothing can draw a page.
    const VENDORS: &[&str] = &[
        "kaspersky",
        "symantec",
        "sophos",
        "sophosagent",
        "bitdefender",
        "trendmicro",
        "fireeye",
        "trellix",
        "forcepoint",
        "mcafee",
        "norton",
        "avast",
        "avira",
        "avg",
        "eset",
        "fortinet",
        "checkpoint",
        "defender",
        "zscaler",
        "virus",
        "antivirus",
        "malware",
        "antispam",
        "spam",
        "phishing",
        "security",
        "webroot",
        "cyren",
        "sonicwall",
    ];
    agent.has_word(WORDS)
        || agent.has_beginning(BEGINNINGS)
        || agent.has_ending(ENDINGS, &[])
        || agent.has_phrase(PHRASES)
        || agent
            .products
            .first()
            .is_some_and(|product| product.name == "cortex")
        || !agent.has_engine() && agent.has_word(VENDORS)
}

/// Combinations that no program ever sent: Internet Explorer's engine on a Mac, a browser of 2006 on the
/// present web.
pub(super) fn is_impossible(agent: &Agent) -> bool {
    agent.has_word(&["trident"]) && agent.has_phrase(&["mac os x"])
        || agent.text.contains(" firefox/2.") && !is_mail_client(agent)
}

pub(super) fn is_bot(agent: &Agent) -> bool {
    const ENDINGS: &[&str] = &[
        "bot",
        "bots",
        "crawler",
        "crawlers",
        "crawl",
        "crawling",
        "spider",
        "fetcher",
        "checker",
        "linkcheck",
        "monitor",
        "monitoring",
        "validator",
        "archiver",
        "scraper",
        "indexer",
        "preview",
        "previewer",
        "grabber",
        "harvester",
        "externalhit",
        "expanding",
        "favicon",
        "favicons",
        "lighthouse",
        "retriever",
        "retrieval",
        "proxy",
        "downloader",
        "parser",
        "pinger",
        "externalagent",
        "extractor",
        "collector",
        "analyzer",
        "verification",
        "verifier",
        "screenshot",
        "thumbnail",
        "tester",
        "walker",
        "sniffer",
        "synthetics",
    ];
    const NOT_BOTS: &[&str] = &["cubot"];
    const WORDS: &[&str] = &[
        "headlesschrome",
        "phantomjs",
        "slimerjs",
        "slurp",
        "nutch",
        "heritrix",
        "iframely",
        "embedly",
        "viber",
        "whatsapp",
        "proximic",
        "pingdom",
        "statuscake",
        "uptime",
        "siteimprove",
        "hubspot",
        "imgproxy",
        "mediapartners",
        "googleother",
        "inspectiontool",
        "flipboard",
        "skypeuripreview",
        "facebookcatalog",
        "mailchimp",
        "inoreader",
        "newsblur",
        "rss",
        "lychee",
        "ptst",
        "gtmetrix",
        "prerender",
        "bytespider",
        "tumblr",
        "zabbix",
        "nagios",
        "site24x7",
        "onebox",
        "chatgpt",
        "openai",
        "anthropic",
        "perplexity",
        "qwantify",
        "mastodon",
        "pleroma",
        "seo",
        "wordpress",
    ];
    const PHRASES: &[&str] = &[
        "read-aloud",
        "screaming frog",
        "apis-google",
        "link check",
        "content retrieval",
    ];
    const BEGINNINGS: &[&str] = &[
        "feed",
        "metafeed",
        "linkcheck",
        "brokenlink",
        "crawler",
        "spiderbot",
    ];
    agent.has_ending(ENDINGS, NOT_BOTS)
        || agent.has_word(WORDS)
        || agent.has_phrase(PHRASES)
        || agent.has_beginning(BEGINNINGS)
}

/// Programs that show mail, by name, and whatever calls itself a mail something.
pub(super) fn is_mail_client(agent: &Agent) -> bool {
    const WORDS: &[&str] = &[
        "macoutlook",
        "oneoutlook",
        "msoffice",
        "thunderbird",
        "icedove",
        "betterbird",
        "seamonkey",
        "evolution",
        "eudora",
        "postbox",
        "postboxapp",
        "kmail",
        "kmail2",
        "kontact",
        "geary",
        "sylpheed",
        "balsa",
        "trojita",
        "incredimail",
        "sparkdesktop",
        "spark",
        "sparrow",
        "unibox",
        "tempo",
        "newton",
        "canary",
        "spike",
        "missive",
        "shortwave",
        "mimestream",
        "superhuman",
        "emclient",
        "foxmail",
        "mutt",
        "neomutt",
        "alpine",
        "claws",
        "zohotridentwindows",
        "bluemail",
        "lotus",
        "entourage",
        "becky",
        "mulberry",
        "gyazmail",
        "tutanota",
        "tuta",
        "protonmail",
        "zimbra",
        "interlink",
        "notes",
        "boxer",
        "typeapp",
        "edison",
        "balsa",
        "roundcube",
        "kopano",
        "sogo",
    ];
    const NOT_CLIENTS: &[&str] = &["mailto", "javamail", "mailgun", "mailjet", "sendmail", "mailhog"];
    if agent.has_word(&["discovery", "javamail", "phpmailer"]) {
        return false;
    }
    agent.has_word(WORDS)
        || agent.has_phrase(&["ms-office", "the bat!", "k-9", "em client"])
        || agent
            .products
            .iter()
            .any(|product| product.name == "office" && product.versioned)
        || agent.words.iter().any(|word| {
            word.contains("outlook")
                || word.contains("mail") && !word.contains("mailer") && !NOT_CLIENTS.contains(&word.as_str())
        })
}

pub(super) fn is_library(agent: &Agent) -> bool {
    const NAMES: &[&str] = &[
        "curl",
        "libcurl",
        "wget",
        "wget2",
        "python",
        "cpython",
        "aiohttp",
        "httpx",
        "dalvik",
        "java",
        "jakarta",
        "jetty",
        "undici",
        "node",
        "node.js",
        "deno",
        "bun",
        "got",
        "axios",
        "hackney",
        "mechanize",
        "ruby",
        "perl",
        "php",
        "guzzle",
        "faraday",
        "typhoeus",
        "restsharp",
        "unirest",
        "lynx",
        "links",
        "elinks",
        "w3m",
        "postmanruntime",
        "insomnia",
        "scrapy",
        "colly",
        "reqwest",
        "hyper",
        "ureq",
        "isahc",
        "aria2",
        "superagent",
        "needle",
        "ktor",
        "retrofit",
        "volley",
        "alamofire",
        "afnetworking",
        "ahc",
        "netty",
        "vertx",
        "vert.x",
        "zend",
        "symfony",
        "dart",
        "flutter",
        "libsoup",
        "gvfs",
        "embarcadero",
        "delphi",
        "indy",
        "powershell",
        "windowspowershell",
        "wininet",
        "snoopy",
        "lwp",
        "puppeteer",
        "playwright",
        "selenium",
        "cypress",
        "electron",
        "rust",
        "erlang",
        "elixir",
        "tesla",
        "finch",
        "mint",
        "qt",
        "boost.beast",
        "mono",
        "dotnet",
        "swift",
        "luasocket",
        "mojolicious",
        "manticore",
        "eventmachine",
        "pear",
        "crystal",
    ];
    const BEGINNINGS: &[&str] = &[
        "python",
        "java",
        "perl",
        "ruby",
        "php",
        "go-",
        "node-",
        "apache-",
        "libwww",
        "lwp",
        "microsoft",
    ];
    const PARTS: &[&str] = &["http", "url", "curl", "wget", "fetch", "request"];
    const ENDINGS: &[&str] = &["client", "sdk", ".rb", ".js", ".py", "-lib"];
    let is_name = |name: &str| {
        NAMES.contains(&name)
            || BEGINNINGS.iter().any(|part| name.starts_with(part))
            || PARTS.iter().any(|part| name.contains(part))
            || ENDINGS.iter().any(|ending| name.ends_with(ending))
    };
    let first = agent
        .products
        .first()
        .is_some_and(|product| is_name(&product.name));
    let any = agent.products.iter().any(|product| is_name(&product.name));
    first || !agent.has_engine() && (any || agent.has_phrase(&["indy library", "uri client"]))
}

/// Browsers of phones and set-top boxes that do not name their engine.
pub(super) fn is_small_browser(agent: &Agent) -> bool {
    agent.has_word(&["netfront", "obigo", "teleca", "midp", "blackberry", "dillo"])
        || agent.has_ending(&["browser"], &[])
}

/// `compatible;` in a comment names a real browser, or it is a crawler's mask.
pub(super) fn is_compatible_with_nothing(agent: &Agent) -> bool {
    agent.has_phrase(&["compatible;"])
        && !agent.has_word(&["msie", "trident", "konqueror", "opera", "icab", "netfront"])
}
