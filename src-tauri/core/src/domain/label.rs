//! What the user says of hits that the rules took for something else.

use super::open::HitClass;
use super::text_enum;

text_enum! {
    /// What a label is about.
    LabelKind {
        /// One hit.
        Hit = "hit",
        /// Everybody with an address of a mail domain.
        Domain = "domain",
        /// Everything that comes from a network: an IPv4 /24 or an IPv6 /48.
        Network = "network",
    }
}

text_enum! {
    /// What the user takes a hit for.
    Says {
        /// A person looked.
        Person = "person",
        /// A machine fetched it.
        Machine = "machine",
        /// It cannot be told.
        Unknown = "unknown",
    }
}

impl Says {
    /// Returns the class of a hit that the rules took for `class`. `by_proxy`: it came by a mail service's image
    /// proxy.
    pub fn class(self, class: HitClass, by_proxy: bool) -> HitClass {
        match self {
            Self::Person if class.is_human() => class,
            Self::Person if by_proxy => HitClass::HumanProxy,
            Self::Person => HitClass::HumanDirect,
            Self::Machine if class.is_machine() => class,
            Self::Machine => HitClass::Scanner,
            Self::Unknown => HitClass::Unknown,
        }
    }
}
