//! The user agents with which mail clients fetch pictures, and the header of the proxy they come through.

/// Gmail shows a mail: its image proxy fetches.
pub const GMAIL: &str =
    "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)";
/// Gmail fetches in advance.
pub const GMAIL_PREFETCH: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/42.0.2311.135 Safari/537.36 Edge/12.246 Mozilla/5.0";
/// Apple's mail privacy protection: these eleven bytes and no more.
pub const APPLE_PRIVACY: &str = "Mozilla/5.0";
/// Apple Mail on an iPhone whose owner looks.
pub const IPHONE: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148";
/// Outlook on Windows.
pub const OUTLOOK: &str = "Mozilla/4.0 (compatible; MSIE 7.0; Windows NT 10.0; WOW64; Trident/8.0; .NET4.0C; .NET4.0E; Microsoft Outlook 16.0.6366; ms-office; MSOffice 16)";
/// Thunderbird.
pub const THUNDERBIRD: &str =
    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0 Thunderbird/128.4.0";
/// A mail scanner that says what it is.
pub const BARRACUDA: &str = "Barracuda Sentinel (EE)";

/// The header in which the played proxy names its client.
pub const CLIENT_HEADER: &str = "X-Client-Address";
