//! Families of those who read mail, told by words of their user agents. Pure.
//!
//! Words are whole and anchored; three traps shaped them, which `classify` names. `machines` has the others.

use super::agent::Agent;

/// Image proxies of mail services: they fetch when somebody looks.
pub(super) fn mail_proxy(agent: &Agent) -> Option<&'static str> {
    const NAMED: &[(&str, &str)] = &[
        ("googleimageproxy", "Gmail"),
        ("yahoomailproxy", "Yahoo"),
        ("superhumanproxy", "Superhuman"),
        ("seznamemailproxy", "Seznam"),
        ("ramblermail", "Rambler"),
        ("fastmailua", "Fastmail"),
    ];
    if let Some((_, client)) = NAMED.iter().find(|(word, _)| agent.has_word(&[word])) {
        return Some(client);
    }
    // By the address of a proxy: addresses are no words.
    for (host, client) in [("ggpht.com", "Gmail"), ("fwdcdn.com", "ukr.net")] {
        if agent.has_phrase(&[host]) {
            return Some(client);
        }
    }
    if agent.text == "superhuman" {
        return Some("Superhuman");
    }
    let by_a_proxy = agent.has_ending(&["proxy"], &[]);
    (by_a_proxy && agent.words.iter().any(|word| word.contains("mail"))).then_some("Mail service")
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
        "roundcube",
        "kopano",
        "sogo",
        "barca",
        "barcapro",
        "groupwise",
        "kerio",
        "hiri",
        "cypht",
        "firstclass",
        "wavebox",
        "shuriken",
        "icewarp",
        "horde",
        "rainloop",
        "epyrus",
        "inky",
        "touchdown",
        "gnus",
        "nylas",
        "traveler",
        "pegasus",
    ];
    // Phones and tablets, as they call themselves when they fetch mail.
    const DEVICES: &[&str] = &[
        "apple-iphone",
        "apple-ipad",
        "apple-ipod",
        "android-",
        "msft-wp",
        "msft-sphone",
        "msft-ppc",
    ];
    // What is done to addresses and mails by machines.
    const WORK: &[&str] = &[
        "siphon", "wolf", "extract", "exract", "collect", "harvest", "grab", "hunter", "finder", "valid",
        "verif", "check", "scrap", "trap", "crawl", "spider", "bot",
    ];
    const NOT_CLIENTS: &[&str] = &[
        "mailto", "javamail", "mailgun", "mailjet", "sendmail", "mailhog", "mailpit", "mailtrap",
    ];
    let is_worked_on = |agent: &Agent| {
        agent
            .words
            .iter()
            .any(|word| WORK.iter().any(|work| word.contains(work)))
    };
    if agent.has_word(&[
        "discovery",
        "existence",
        "javamail",
        "phpmailer",
        "webhook",
        "sts",
    ]) || !agent.has_engine() && is_worked_on(agent)
    {
        return false;
    }
    agent.has_word(WORDS)
        || agent.has_phrase(&["ms-office", "the bat!", "k-9", "em client"])
        || agent.has_beginning(&["zimbra", "thunderbird"])
        || agent
            .products
            .first()
            .is_some_and(|product| product.name == "nine" && product.versioned)
        || agent
            .products
            .iter()
            .any(|product| product.name == "office" && product.versioned)
        || agent
            .products
            .first()
            .is_some_and(|product| DEVICES.iter().any(|device| product.name.starts_with(device)))
        || agent.words.iter().any(|word| {
            word.contains("outlook")
                || word.contains("mail") && !word.contains("mailer") && !NOT_CLIENTS.contains(&word.as_str())
        })
}

/// Phones of before, which say what they run and not what they draw with.
pub(super) fn is_phone(agent: &Agent) -> bool {
    const WORDS: &[&str] = &[
        "netfront",
        "obigo",
        "teleca",
        "openwave",
        "midp",
        "cldc",
        "ucweb",
        "docomo",
        "foma",
        "kddi",
        "softbank",
        "vodafone",
        "willcom",
        "ddipocket",
        "fban",
        "fbav",
    ];
    // As they call themselves: the maker, then the model.
    const MAKERS: &[&str] = &[
        "nokia",
        "sonyericsson",
        "blackberry",
        "samsung-",
        "samsung_",
        "sec-",
        "lg-",
        "lge-",
        "mot-",
        "sie-",
        "zte-",
        "alcatel-",
        "huawei",
        "panasonic-",
        "sagem-",
        "sharp-",
        "philips",
    ];
    agent.has_word(WORDS)
        || agent.has_phrase(&["up.browser", "up.link"])
        || agent
            .products
            .first()
            .is_some_and(|product| MAKERS.iter().any(|maker| product.name.starts_with(maker)))
}

/// Browsers of consoles and set-top boxes, which do not name an engine, and old ones, which had none to name.
pub(super) fn is_small_browser(agent: &Agent) -> bool {
    const WORDS: &[&str] = &[
        "blackberry",
        "dillo",
        "opera",
        "opr",
        "hbbtv",
        "smarttv",
        "smarthub",
        "viera",
        "nintendo",
        "playstation",
        "netpositive",
        "charon",
        "amigavoyager",
        "ibrowse",
        "aweb",
        "mosaic",
        "icab",
        "voyager3",
        "planetweb",
        "dreamcast",
        "servo",
        "firefox",
        "chrome",
        "chromium",
        "safari",
        "kreatv",
        "roku",
        "appletv",
    ];
    agent.has_word(WORDS) || agent.has_ending(&["browser", "browser9", "browser9i"], &[])
}

/// An app on a phone or a tablet that loads pictures by the system's own means.
pub(super) fn is_phone_app(agent: &Agent) -> bool {
    agent.text.contains(['(', '/']) && agent.has_word(&["android", "iphone", "ipad", "ipod", "ios", "ipados"])
}
