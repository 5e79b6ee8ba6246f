//! Families of clients, in words that people read. Pure.
//!
//! The set is closed: the cap on stored hits counts the first of each class and client, and must not grow
//! with what strangers write into a header.

use super::agent::Agent;
use crate::domain::open::HitClass;

/// Words of a user agent and the family that they name; first match wins.
const FAMILIES: &[(&str, &str)] = &[
    ("macoutlook", "Outlook for Mac"),
    ("oneoutlook", "Outlook"),
    ("outlook", "Outlook"),
    ("msoffice", "Outlook"),
    ("thunderbird", "Thunderbird"),
    ("icedove", "Thunderbird"),
    ("betterbird", "Betterbird"),
    ("seamonkey", "SeaMonkey"),
    ("postbox", "Postbox"),
    ("postboxapp", "Postbox"),
    ("fossamail", "FossaMail"),
    ("evolution", "Evolution"),
    ("kmail", "KMail"),
    ("kmail2", "KMail"),
    ("kontact", "KMail"),
    ("geary", "Geary"),
    ("claws", "Claws Mail"),
    ("airmail", "Airmail"),
    ("sparkdesktop", "Spark"),
    ("sparkmail", "Spark"),
    ("spark", "Spark"),
    ("superhuman", "Superhuman"),
    ("mailspring", "Mailspring"),
    ("mailbird", "Mailbird"),
    ("emclient", "eM Client"),
    ("foxmail", "Foxmail"),
    ("fairemail", "FairEmail"),
    ("polymail", "Polymail"),
    ("mailmaster", "NetEase Mail Master"),
    ("navermailapp", "Naver Mail"),
    ("daummail", "Daum Mail"),
    ("yahoomail", "Yahoo"),
    ("yahoomobilemail", "Yahoo"),
    ("ymail", "Yahoo"),
    ("zohomail", "Zoho Mail"),
    ("zohotridentwindows", "Zoho Mail"),
    ("tutanota", "Tuta"),
    ("protonmail", "Proton Mail"),
    ("windowsmail", "Windows Mail"),
    ("lotus", "Notes"),
    ("eudora", "Eudora"),
    ("edg", "Edge"),
    ("edga", "Edge"),
    ("edgios", "Edge"),
    ("edge", "Edge"),
    ("opr", "Opera"),
    ("opera", "Opera"),
    ("vivaldi", "Vivaldi"),
    ("yabrowser", "Yandex Browser"),
    ("samsungbrowser", "Samsung Internet"),
    ("whale", "Whale"),
    ("duckduckgo", "DuckDuckGo"),
    ("fxios", "Firefox"),
    ("crios", "Chrome"),
    ("firefox", "Firefox"),
    ("msie", "Internet Explorer"),
    ("trident", "Internet Explorer"),
];

/// Families of machines that people may want to know.
const MACHINES: &[(&str, &str)] = &[
    ("barracuda", "Barracuda"),
    ("kaspersky", "Kaspersky"),
    ("virustotalcloud", "VirusTotal"),
    ("proofpoint", "Proofpoint"),
    ("mimecast", "Mimecast"),
    ("bingpreview", "Bing"),
    ("googlebot", "Google"),
    ("facebookexternalhit", "Facebook"),
    ("slackbot", "Slack"),
    ("curl", "curl"),
    ("wget", "Wget"),
    ("python", "Python"),
    ("java", "Java"),
    ("okhttp", "OkHttp"),
];

/// Returns the family of a client that was judged to be of `class`; empty where it cannot be told.
pub(super) fn family(agent: &Agent, class: HitClass) -> &'static str {
    let named = |table: &[(&str, &'static str)]| {
        table
            .iter()
            .find(|(word, _)| agent.has_word(&[word]))
            .map(|(_, family)| *family)
    };
    if class.is_machine() {
        return named(MACHINES).unwrap_or_default();
    }
    if let Some(family) = named(FAMILIES) {
        return family;
    }
    // Only what is left: these words stand in many others' user agents too.
    if agent.has_phrase(&["; wv)"]) {
        return "Android app";
    }
    if agent.has_word(&["applewebkit"]) && !agent.has_word(&["safari", "chrome"]) {
        return "Apple Mail";
    }
    if agent.has_word(&["cfnetwork"]) {
        return if agent
            .products
            .first()
            .is_some_and(|product| product.name == "mail")
        {
            "Apple Mail"
        } else {
            "Apple app"
        };
    }
    if agent.has_word(&["chrome"]) {
        return "Chrome";
    }
    if agent.has_word(&["safari"]) {
        return "Safari";
    }
    if agent.words.iter().any(|word| word.contains("mail")) {
        return "Mail app";
    }
    ""
}
