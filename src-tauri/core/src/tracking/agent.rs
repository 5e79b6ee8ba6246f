//! Takes a `User-Agent` apart: products, words, and whether it names a web or mail address. Pure.

/// A user agent in parts, all in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Agent {
    /// The whole text.
    pub text: String,
    /// Names of `name/version` pairs outside parentheses, in order; names without a version too.
    pub products: Vec<Product>,
    /// Runs of letters and digits, in order, those of web and mail addresses left out.
    pub words: Vec<String>,
    /// It names a web or mail address at which its owner can be asked: no mail client does.
    pub has_contact: bool,
    /// It ends outside parentheses.
    pub ends_outside: bool,
}

/// A `name/version` pair (RFC 9110 §10.1.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Product {
    /// Before the slash.
    pub name: String,
    /// There was a slash.
    pub versioned: bool,
}

impl Agent {
    /// Takes `user_agent` apart.
    pub fn parse(user_agent: &str) -> Self {
        let text = user_agent.trim().to_lowercase();
        let mut agent = Self {
            products: Vec::new(),
            words: Vec::new(),
            has_contact: false,
            ends_outside: !text.ends_with(')'),
            text: String::new(),
        };
        let mut depth = 0_u32;
        let mut chunk = String::new();
        for c in text.chars() {
            match c {
                '(' | ')' | ';' | ',' => agent.take(&mut chunk, depth),
                c if c.is_whitespace() => agent.take(&mut chunk, depth),
                c => chunk.push(c),
            }
            match c {
                '(' => depth += 1,
                ')' => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
        agent.take(&mut chunk, depth);
        agent.text = text;
        agent
    }

    fn take(&mut self, chunk: &mut String, depth: u32) {
        if chunk.is_empty() {
            return;
        }
        let chunk = std::mem::take(chunk);
        if is_contact(&chunk) {
            self.has_contact = true;
            return;
        }
        if depth == 0 {
            let (name, versioned) = match chunk.split_once('/') {
                Some((name, _)) => (name, true),
                None => (chunk.as_str(), false),
            };
            self.products.push(Product {
                name: name.to_owned(),
                versioned,
            });
        }
        self.words.extend(
            chunk
                .split(|c: char| !c.is_alphanumeric())
                .filter(|word| !word.is_empty())
                .map(str::to_owned),
        );
    }

    /// Tells whether one of `words` stands in it as a whole word.
    pub fn has_word(&self, words: &[&str]) -> bool {
        self.words.iter().any(|word| words.contains(&word.as_str()))
    }

    /// Tells whether a word ends in one of `endings`, and is none of `exempt`.
    pub fn has_ending(&self, endings: &[&str], exempt: &[&str]) -> bool {
        self.words.iter().any(|word| {
            !exempt.contains(&word.as_str()) && endings.iter().any(|ending| word.ends_with(ending))
        })
    }

    /// Tells whether a word begins with one of `beginnings`.
    pub fn has_beginning(&self, beginnings: &[&str]) -> bool {
        self.words
            .iter()
            .any(|word| beginnings.iter().any(|beginning| word.starts_with(beginning)))
    }

    /// Tells whether one of `parts` stands in a word.
    pub fn has_part(&self, parts: &[&str]) -> bool {
        self.words
            .iter()
            .any(|word| parts.iter().any(|part| word.contains(part)))
    }

    /// Tells whether one of `phrases` stands in it, not inside longer words.
    pub fn has_phrase(&self, phrases: &[&str]) -> bool {
        phrases.iter().any(|phrase| {
            self.text.match_indices(phrase).any(|(at, found)| {
                let before = self.text[..at].chars().next_back();
                let after = self.text[at + found.len()..].chars().next();
                !before.is_some_and(char::is_alphanumeric)
                    && (!found.ends_with(char::is_alphanumeric) || !after.is_some_and(char::is_alphanumeric))
            })
        })
    }

    /// Tells whether it carries a browser's engine: something in it can draw a page.
    pub fn has_engine(&self) -> bool {
        const ENGINES: &[&str] = &[
            "applewebkit",
            "gecko",
            "trident",
            "msie",
            "presto",
            "goanna",
            "khtml",
            "konqueror",
        ];
        self.has_word(ENGINES) || self.has_ending(&["webkit"], &[])
    }
}

fn is_contact(chunk: &str) -> bool {
    let chunk = chunk.trim_start_matches(['+', '-', '<', '[', '"', '\'']);
    if chunk.contains("://") || chunk.starts_with("www.") {
        return true;
    }
    match chunk.split_once('@') {
        // A browser's own name and version are put so, too.
        Some((local, domain)) => {
            !local.is_empty()
                && domain.contains('.')
                && domain
                    .split('/')
                    .next()
                    .is_some_and(|domain| !domain.ends_with(char::is_numeric))
        }
        None => is_domain(chunk.split(['/', ':']).next().unwrap_or_default()),
    }
}

/// Tells whether `text` is a domain's name that can be visited: `seo4ajax.com`, not `com.example.app`, `node.js` or
/// a version.
///
/// Only endings that crawlers' owners have and that end no file's or program's name.
fn is_domain(text: &str) -> bool {
    const ENDINGS: &[&str] = &[
        "com", "net", "org", "info", "biz", "io", "ai", "dev", "app", "eu", "edu", "gov", "de", "fr", "uk",
        "ru", "pl", "cz", "it", "es", "nl", "ch", "at", "se", "co", "me", "us", "ua", "jp", "cn", "kr", "in",
        "br", "hu", "nu", "search",
    ];
    // Mail services that hand out browsers of their own.
    const MAIL_SERVICES: &[&str] = &["web.de", "gmx.de", "gmx.net", "t-online.de", "freenet.de"];
    // Packages are named from the other end.
    const TURNED: &[&str] = &["com", "org", "net", "io", "jp", "ru", "de", "cn", "kr", "fr"];
    let text = text.trim_end_matches(['.', ')', '>', ']', '"', '\'']);
    let Some((rest, ending)) = text.rsplit_once('.') else {
        return false;
    };
    let first = rest.split('.').next().unwrap_or_default();
    ENDINGS.contains(&ending)
        && !MAIL_SERVICES.contains(&text)
        && !TURNED.contains(&first)
        && first.contains(char::is_alphanumeric)
        && rest
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_no_words() {
        let agent = Agent::parse("Hoot Image proxy (hosting@mailbot.com; +http://www.spider.com/x)");
        assert!(agent.has_contact);
        assert_eq!(agent.words, ["hoot", "image", "proxy"]);
        assert!(!Agent::parse("Mozilla/5.0 (X11; Linux)").has_contact);
    }

    #[test]
    fn products_stand_outside_parentheses() {
        let agent = Agent::parse("Mozilla/5.0 (Linux; curl/7) Claws Mail/3.17");
        let names: Vec<_> = agent
            .products
            .iter()
            .map(|product| product.name.as_str())
            .collect();
        assert_eq!(names, ["mozilla", "claws", "mail"]);
    }

    #[test]
    fn phrases_keep_to_word_boundaries() {
        assert!(Agent::parse("DHSH Virus Check").has_phrase(&["virus check"]));
        assert!(!Agent::parse("antivirus checks").has_phrase(&["virus check"]));
        assert!(!Agent::parse("incompatible; x").has_phrase(&["compatible;"]));
    }
}
