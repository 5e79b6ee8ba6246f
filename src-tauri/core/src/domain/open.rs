//! What a request for a pixel is taken for, and how that is said.

use super::contact::isolate;
use super::text_enum;

text_enum! {
    /// The class of a hit (`docs/glossary.md`).
    HitClass {
        /// A person's own mail client or browser.
        HumanDirect = "human_direct",
        /// A person, through their provider's image proxy.
        HumanProxy = "human_proxy",
        /// A mail service fetched the picture in advance; whether anyone looked cannot be known.
        MachinePrefetch = "machine_prefetch",
        /// A security scanner.
        Scanner = "scanner",
        /// A crawler or link previewer that names itself.
        Bot = "bot",
        /// A programming library or command-line tool.
        Library = "library",
        /// Cannot be told.
        Unknown = "unknown",
    }
}

impl HitClass {
    /// Tells whether a hit of this class counts as a person's look.
    pub fn is_human(self) -> bool {
        matches!(self, Self::HumanDirect | Self::HumanProxy)
    }

    /// Tells whether a hit of this class is a machine's.
    pub fn is_machine(self) -> bool {
        !self.is_human() && self != Self::Unknown
    }

    /// Says in a few words who or what looked at a mail.
    ///
    /// `name` is its reader's, empty where nobody knows it any more; `client` is the family that was seen, which
    /// may be empty, too.
    pub fn sentence(self, name: &str, client: &str) -> String {
        let who = match name {
            "" => "Someone".into(),
            name => isolate(name),
        };
        match (self, client) {
            (Self::HumanProxy, "Mail service") => {
                format!("{who} looked, through a mail service's image proxy")
            }
            (Self::HumanProxy, client) => format!("{who} looked, through {client}'s image proxy"),
            (Self::HumanDirect, "") => format!("{who} looked"),
            (Self::HumanDirect, client) => format!("{who} looked, with {client}"),
            (Self::MachinePrefetch, "") => format!("The picture in {who}'s mail was fetched in advance"),
            (Self::MachinePrefetch, client) => {
                format!("{client} fetched the picture in {who}'s mail in advance")
            }
            (Self::Scanner, _) => format!("A security scanner looked at {who}'s mail"),
            (Self::Bot, _) => format!("A crawler fetched the picture in {who}'s mail"),
            (Self::Library, _) => format!("A program fetched the picture in {who}'s mail"),
            (Self::Unknown, _) => {
                format!("Something looked at {who}'s mail that cannot be told from a person")
            }
        }
    }
}

text_enum! {
    /// The best that is known of one tracked message, in rising order of evidence.
    Signal {
        /// Nothing was seen. Never called "not opened".
        None = "no_signal",
        /// Only machines fetched the pixel.
        MachineOnly = "machine_only",
        /// Something fetched it that cannot be told from a person.
        Unknown = "unknown",
        /// A person looked.
        Human = "human",
    }
}

impl Signal {
    /// Returns the signal that one hit of `class` gives.
    pub fn of(class: HitClass) -> Self {
        match class {
            class if class.is_human() => Self::Human,
            HitClass::Unknown => Self::Unknown,
            _ => Self::MachineOnly,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_is_said_in_one_sentence() {
        for (class, name, client, said) in [
            (
                HitClass::HumanProxy,
                "Ana Li",
                "Gmail",
                "Ana Li looked, through Gmail's image proxy",
            ),
            (
                HitClass::HumanProxy,
                "Ana Li",
                "Mail service",
                "Ana Li looked, through a mail service's image proxy",
            ),
            (HitClass::HumanDirect, "", "", "Someone looked"),
            (
                HitClass::HumanDirect,
                "\u{5e0}\u{5d5} Li",
                "Thunderbird",
                "\u{2068}\u{5e0}\u{5d5} Li\u{2069} looked, with Thunderbird",
            ),
            (
                HitClass::MachinePrefetch,
                "Bo",
                "",
                "The picture in Bo's mail was fetched in advance",
            ),
            (
                HitClass::Scanner,
                "Bo",
                "Proofpoint",
                "A security scanner looked at Bo's mail",
            ),
            (
                HitClass::Unknown,
                "Bo",
                "",
                "Something looked at Bo's mail that cannot be told from a person",
            ),
        ] {
            assert_eq!(class.sentence(name, client), said);
        }
    }
}
