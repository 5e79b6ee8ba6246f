//! What is kept in the spool of a hit that the database cannot take just now, and how it is applied later: by the
//! rules of then, so that a refusal in between wins.

use super::pages;
use crate::clock::{Instant, from_millis, to_millis};
use crate::ids::Entropy;
use crate::listener::Wish;
use crate::store::preference::Said;
use crate::store::{self, Conn, Replay};
use crate::tracking::ingest::{self, Arrival, Source};
use crate::tracking::networks::Network;
use crate::tracking::token::Token;
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A record of the spool. Fields are added only: a newer version replays what an older one kept.
#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Record {
    Hit {
        token: String,
        at: i64,
        head_only: bool,
        from_here: bool,
        #[serde(default, skip_serializing_if = "String::is_empty")]
        network: String,
        /// Empty where the source is unknown.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        client: String,
        user_agent: String,
        not_to_be_recorded: bool,
        prefetch: bool,
        /// The name of the network that the address lies in; empty where no table has it.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        label: String,
        #[serde(default, skip_serializing_if = "is_false")]
        clock_set: bool,
    },
    Wish {
        token: String,
        at: i64,
        wish: Wish,
    },
}

fn is_false(value: &bool) -> bool {
    !value
}

/// Returns what is kept of a hit. Its address is not among it.
pub(super) fn hit(arrival: &Arrival, key: &[u8; 32]) -> Vec<u8> {
    let (network, client, label) = match arrival.source.kept(key) {
        Source::Kept {
            network,
            digest,
            label,
        } => (
            network,
            HEXLOWER.encode(&digest),
            label.map_or("", Network::as_str).to_owned(),
        ),
        _ => Default::default(),
    };
    write(&Record::Hit {
        token: arrival.token.to_string(),
        at: to_millis(arrival.at),
        head_only: arrival.head_only,
        from_here: arrival.from_here,
        network,
        client,
        user_agent: arrival.user_agent.clone(),
        not_to_be_recorded: arrival.not_to_be_recorded,
        prefetch: arrival.prefetch,
        label,
        clock_set: arrival.clock_set,
    })
}

/// Returns what is kept of what a reader asks for.
pub(super) fn wish(token: &Token, wish: Wish, at: Instant) -> Vec<u8> {
    write(&Record::Wish {
        token: token.to_string(),
        at: to_millis(at),
        wish,
    })
}

fn write(record: &Record) -> Vec<u8> {
    serde_json::to_vec(record).expect("texts and numbers are always JSON")
}

/// Returns what applies the records of the spool.
pub(crate) fn replay(entropy: &Arc<dyn Entropy>) -> Replay {
    let entropy = entropy.clone();
    Box::new(move |conn, bytes| apply(conn, bytes, &*entropy))
}

fn apply(conn: &Conn, bytes: &[u8], entropy: &dyn Entropy) -> store::Result<()> {
    let token =
        |text: &str| Token::parse(text).ok_or_else(|| store::Error::Value("a spooled token is none".into()));
    match serde_json::from_slice(bytes)? {
        Record::Hit {
            token: text,
            at,
            head_only,
            from_here,
            network,
            client,
            user_agent,
            not_to_be_recorded,
            prefetch,
            label,
            clock_set,
        } => {
            let mut fresh_key = [0; 32];
            entropy.fill(&mut fresh_key);
            let digest = HEXLOWER.decode(client.as_bytes()).ok();
            let source = match digest.and_then(|digest| digest.try_into().ok()) {
                Some(digest) => Source::Kept {
                    network,
                    digest,
                    // A word that this version does not know is no evidence.
                    label: Network::parse(&label),
                },
                None => Source::Unknown,
            };
            let arrival = Arrival {
                token: token(&text)?,
                at: from_millis(at),
                head_only,
                from_here,
                source,
                user_agent,
                not_to_be_recorded,
                prefetch,
                clock_set,
                fresh_key,
            };
            ingest::record(conn, &arrival).map(|_| ())
        }
        Record::Wish {
            token: text,
            at,
            wish,
        } => pages::wished(conn, &token(&text)?, wish, from_millis(at), Said::Before).map(|_| ()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::SeededEntropy;

    #[test]
    fn a_spool_of_sixteen_mebibytes_has_room_for_forty_thousand_hits() {
        let arrival = Arrival {
            token: Token::generate(&SeededEntropy::new(1)),
            at: from_millis(1_790_000_000_000),
            head_only: false,
            from_here: false,
            source: Source::Address("198.51.100.77".parse().unwrap()),
            user_agent: "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 \
                         (KHTML, like Gecko) Mobile/15E148"
                .into(),
            not_to_be_recorded: false,
            prefetch: false,
            clock_set: false,
            fresh_key: [0; 32],
        };
        let bytes = hit(&arrival, &[1; 32]).len() as u64;
        println!("a hit has {bytes} bytes");
        let room = Spool::SIZE / (bytes + Spool::FRAME);
        assert!((40_000..50_000).contains(&room), "{room} of {bytes} bytes");
    }

    /// As `store::spool` has them, which nobody else may know.
    struct Spool;

    impl Spool {
        const SIZE: u64 = 16 << 20;
        const FRAME: u64 = 29;
    }
}
