//! Looks names up (crate hickory-resolver): with this computer's name servers, or with one that is given.
//!
//! Answers the port [`Names`]. Each set of questions has a time limit as a whole, so that dead name servers cannot keep
//! a window waiting.

#[cfg(test)]
pub(crate) mod peer;
#[cfg(test)]
mod tests;

use crate::deliverability::{NameError, Names};
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// How long one set of questions may take.
pub const LIMIT: Duration = Duration::from_secs(20);
/// How long one name server is waited for. Each question is asked twice.
const PATIENCE: Duration = Duration::from_secs(3);
/// Records of one answer that are looked at, at most.
const MAX_RECORDS: usize = 100;

/// Name servers to ask.
pub struct Dns {
    pub(super) runtime: Runtime,
    pub(super) resolver: TokioResolver,
    until: Instant,
}

impl Dns {
    /// Gets ready to ask `server`, or this computer's name servers where it is `None`, for `limit` from now on.
    ///
    /// Fails with a sentence where this computer names no servers.
    pub fn open(server: Option<SocketAddr>, limit: Duration) -> Result<Self, String> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| format!("Names cannot be looked up on this computer: {error}."))?;
        let (config, mut options) = match server {
            Some(server) => (only(server), ResolverOpts::default()),
            None => hickory_resolver::system_conf::read_system_conf().map_err(|error| {
                format!("This computer names no server to look names up with: {error}. Check its network settings.")
            })?,
        };
        options.timeout = PATIENCE;
        options.attempts = 2;
        // What the world sees is asked for, not what this computer's own list says.
        options.use_hosts_file = ResolveHosts::Never;
        let resolver = {
            let _inside = runtime.enter();
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
                .with_options(options)
                .build()
                .map_err(|error| format!("Names cannot be looked up on this computer: {error}."))?
        };
        Ok(Self {
            runtime,
            resolver,
            until: Instant::now() + limit,
        })
    }

    /// Waits for `asked` as long as there is time.
    pub(super) fn wait<T>(&self, asked: impl Future<Output = T>) -> Option<T> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return None;
        }
        self.runtime
            .block_on(async { tokio::time::timeout(left, asked).await.ok() })
    }

    fn ask(&self, name: &str, kind: RecordType) -> Result<Vec<RData>, NameError> {
        let name = absolute(name)?;
        let answer = self
            .wait(self.resolver.lookup(name, kind))
            .ok_or(NameError::TimedOut)?
            .map_err(|error| why(&error))?;
        let found: Vec<RData> = answer
            .answers()
            .iter()
            .filter(|record| record.record_type() == kind)
            .take(MAX_RECORDS)
            .map(|record| record.data.clone())
            .collect();
        // A CNAME that leads to nothing of the kind.
        if found.is_empty() {
            return Err(NameError::NoRecord);
        }
        Ok(found)
    }
}

/// Asks one server, over UDP and, for long answers, TCP.
fn only(server: SocketAddr) -> ResolverConfig {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()]
        .map(|mut connection| {
            connection.port = server.port();
            connection
        })
        .to_vec();
    ResolverConfig::from_name_servers(vec![NameServerConfig::new(server.ip(), true, connections)])
}

/// Reads a name as it stands: nothing is tried behind it.
fn absolute(name: &str) -> Result<Name, NameError> {
    let mut name = Name::from_ascii(name.trim_end_matches('.'))
        .map_err(|error| NameError::Failed(format!("{name:?} is no name that can be asked for: {error}")))?;
    name.set_fqdn(true);
    Ok(name)
}

fn why(error: &NetError) -> NameError {
    match error {
        NetError::Timeout => NameError::TimedOut,
        NetError::Dns(DnsError::NoRecordsFound(none)) => match none.response_code {
            ResponseCode::NXDomain => NameError::NoSuchName,
            ResponseCode::NoError => NameError::NoRecord,
            code => NameError::Failed(code.to_string()),
        },
        NetError::Dns(DnsError::ResponseCode(code)) => NameError::Failed(code.to_string()),
        other => NameError::Failed(other.to_string()),
    }
}

/// Returns a host's name without the dot at its end; the root is `.`.
fn host(name: &Name) -> String {
    let text = name.to_ascii().to_ascii_lowercase();
    match text.trim_end_matches('.') {
        "" => ".".to_owned(),
        host => host.to_owned(),
    }
}

impl Names for Dns {
    fn txt(&self, name: &str) -> Result<Vec<String>, NameError> {
        let records = self.ask(name, RecordType::TXT)?;
        Ok(records
            .iter()
            .filter_map(|record| match record {
                RData::TXT(txt) => Some(String::from_utf8_lossy(&txt.txt_data.concat()).into_owned()),
                _ => None,
            })
            .collect())
    }

    fn mx(&self, name: &str) -> Result<Vec<(u16, String)>, NameError> {
        let mut hosts: Vec<(u16, String)> = self
            .ask(name, RecordType::MX)?
            .iter()
            .filter_map(|record| match record {
                RData::MX(mx) => Some((mx.preference, host(&mx.exchange))),
                _ => None,
            })
            .collect();
        hosts.sort();
        Ok(hosts)
    }

    fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, NameError> {
        let of = |kind| -> Result<Vec<IpAddr>, NameError> {
            Ok(self
                .ask(host, kind)?
                .iter()
                .filter_map(|record| match record {
                    RData::A(address) => Some(IpAddr::V4(address.0)),
                    RData::AAAA(address) => Some(IpAddr::V6(address.0)),
                    _ => None,
                })
                .collect())
        };
        match (of(RecordType::A), of(RecordType::AAAA)) {
            (Ok(mut four), Ok(six)) => {
                four.extend(six);
                Ok(four)
            }
            (Ok(found), Err(_)) | (Err(_), Ok(found)) => Ok(found),
            // No answer says less than that there is none.
            (Err(four), Err(six)) if four.is_absent() => Err(six),
            (Err(four), Err(_)) => Err(four),
        }
    }

    fn names_of(&self, address: IpAddr) -> Result<Vec<String>, NameError> {
        let name = Name::from(address).to_ascii();
        Ok(self
            .ask(&name, RecordType::PTR)?
            .iter()
            .filter_map(|record| match record {
                RData::PTR(name) => Some(host(&name.0)),
                _ => None,
            })
            .collect())
    }
}
