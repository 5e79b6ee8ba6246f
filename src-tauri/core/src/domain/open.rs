//! What a request for a pixel is taken for.

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
