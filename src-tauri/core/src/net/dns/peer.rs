//! A name server on a loopback port, over UDP and TCP, that answers out of a table and can misbehave.

use hickory_resolver::proto::op::{Message, MessageType, OpCode, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, AAAA, CNAME, MX, PTR, TXT};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// What a name server does when it is asked for a name.
#[derive(Debug, Clone)]
enum Act {
    Records(Vec<RData>),
    Code(ResponseCode),
    Silence,
    Noise,
}

/// What it knows.
#[derive(Debug, Clone, Default)]
pub(crate) struct Zone(BTreeMap<(String, RecordType), Act>);

impl Zone {
    fn add(mut self, name: &str, kind: RecordType, record: RData) -> Self {
        let entry = self
            .0
            .entry((name.to_owned(), kind))
            .or_insert_with(|| Act::Records(Vec::new()));
        match entry {
            Act::Records(records) => records.push(record),
            other => *other = Act::Records(vec![record]),
        }
        self
    }

    /// A text in pieces of 255 bytes, as long ones travel.
    pub(crate) fn txt(self, name: &str, text: &str) -> Self {
        let pieces: Vec<&[u8]> = text.as_bytes().chunks(255).collect();
        self.add(name, RecordType::TXT, RData::TXT(TXT::from_bytes(pieces)))
    }

    pub(crate) fn mx(self, name: &str, preference: u16, host: &str) -> Self {
        self.add(
            name,
            RecordType::MX,
            RData::MX(MX::new(preference, absolute(host))),
        )
    }

    pub(crate) fn host(self, name: &str, address: &str) -> Self {
        match address.parse().unwrap() {
            IpAddr::V4(address) => self.add(name, RecordType::A, RData::A(A(address))),
            IpAddr::V6(address) => self.add(name, RecordType::AAAA, RData::AAAA(AAAA(address))),
        }
    }

    pub(crate) fn ptr(self, address: &str, host: &str) -> Self {
        let name = Name::from(address.parse::<IpAddr>().unwrap()).to_ascii();
        let name = name.trim_end_matches('.').to_owned();
        self.add(&name, RecordType::PTR, RData::PTR(PTR(absolute(host))))
    }

    pub(crate) fn cname(self, name: &str, to: &str) -> Self {
        self.add(name, RecordType::CNAME, RData::CNAME(CNAME(absolute(to))))
    }

    pub(crate) fn code(mut self, name: &str, kind: RecordType, code: ResponseCode) -> Self {
        self.0.insert((name.to_owned(), kind), Act::Code(code));
        self
    }

    /// Fails when it is asked for the addresses of a name.
    pub(crate) fn broken(self, name: &str) -> Self {
        self.code(name, RecordType::A, ResponseCode::ServFail).code(
            name,
            RecordType::AAAA,
            ResponseCode::ServFail,
        )
    }

    /// Says nothing when it is asked for the addresses of a name.
    pub(crate) fn mute(self, name: &str) -> Self {
        self.silent(name, RecordType::A).silent(name, RecordType::AAAA)
    }

    /// Fails when it is asked for the text of a name.
    pub(crate) fn fails(self, name: &str) -> Self {
        self.code(name, RecordType::TXT, ResponseCode::ServFail)
    }

    pub(crate) fn silent(mut self, name: &str, kind: RecordType) -> Self {
        self.0.insert((name.to_owned(), kind), Act::Silence);
        self
    }

    pub(crate) fn noise(mut self, name: &str, kind: RecordType) -> Self {
        self.0.insert((name.to_owned(), kind), Act::Noise);
        self
    }

    fn act(&self, name: &str, kind: RecordType) -> Act {
        let of = |kind| self.0.get(&(name.to_owned(), kind)).cloned();
        of(kind).or_else(|| of(RecordType::CNAME)).unwrap_or_else(|| {
            let known = self.0.keys().any(|(known, _)| known == name);
            Act::Code(if known {
                ResponseCode::NoError
            } else {
                ResponseCode::NXDomain
            })
        })
    }
}

fn absolute(name: &str) -> Name {
    let mut name = Name::from_ascii(name).unwrap();
    name.set_fqdn(true);
    name
}

/// A running name server; it ends with this.
pub(crate) struct Peer {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Peer {
    pub(crate) fn start(zone: Zone) -> Self {
        // The same port for both, which somebody else may hold for one of them.
        let (udp, tcp) = loop {
            let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
            if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()) {
                break (udp, tcp);
            }
        };
        let address = udp.local_addr().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let zone = Arc::new(zone);
        let (by_udp, by_tcp) = (zone.clone(), zone);
        let (udp_stop, tcp_stop) = (stop.clone(), stop.clone());
        let threads = vec![
            std::thread::spawn(move || {
                let mut bytes = [0; 4096];
                while let Ok((n, from)) = udp.recv_from(&mut bytes) {
                    if udp_stop.load(Ordering::SeqCst) {
                        return;
                    }
                    if let Some(answer) = answer(&by_udp, &bytes[..n], Some(1232)) {
                        let _ = udp.send_to(&answer, from);
                    }
                }
            }),
            std::thread::spawn(move || {
                for stream in tcp.incoming() {
                    if tcp_stop.load(Ordering::SeqCst) {
                        return;
                    }
                    let zone = by_tcp.clone();
                    std::thread::spawn(move || stream.map(|stream| converse(&zone, stream)));
                }
            }),
        ];
        Self {
            address,
            stop,
            threads,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // Wakes both, so that they see it.
        let _ = UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.send_to(b"", self.address));
        let _ = TcpStream::connect(self.address);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn converse(zone: &Zone, mut stream: TcpStream) {
    let mut length = [0; 2];
    while stream.read_exact(&mut length).is_ok() {
        let mut question = vec![0; usize::from(u16::from_be_bytes(length))];
        if stream.read_exact(&mut question).is_err() {
            return;
        }
        let Some(answer) = answer(zone, &question, None) else {
            return;
        };
        let n = u16::try_from(answer.len()).unwrap_or(u16::MAX);
        let sent = stream
            .write_all(&n.to_be_bytes())
            .and_then(|()| stream.write_all(&answer[..usize::from(n)]));
        if sent.is_err() {
            return;
        }
    }
}

/// Answers a question; what does not fit into `most` bytes is cut off and says so.
fn answer(zone: &Zone, question: &[u8], most: Option<usize>) -> Option<Vec<u8>> {
    let asked = Message::from_vec(question).ok()?;
    let query = asked.queries.first()?.clone();
    let name = query.name().to_ascii().to_ascii_lowercase();
    let act = zone.act(name.trim_end_matches('.'), query.query_type());
    let mut out = Message::new(asked.metadata.id, MessageType::Response, OpCode::Query);
    out.metadata.recursion_desired = true;
    out.metadata.recursion_available = true;
    out.add_query(query.clone());
    match act {
        Act::Silence => return None,
        Act::Noise => {
            let mut noise = question[..2].to_vec();
            noise.extend([
                0x81, 0x80, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xc0, 0x0c, 0xc0, 0x0c,
            ]);
            return Some(noise);
        }
        Act::Code(code) => out.metadata.response_code = code,
        Act::Records(records) => {
            for record in records {
                out.add_answer(Record::from_rdata(query.name().clone(), 60, record));
            }
        }
    }
    let bytes = out.to_vec().ok()?;
    if most.is_some_and(|most| bytes.len() > most) {
        let mut cut = Message::new(asked.metadata.id, MessageType::Response, OpCode::Query);
        cut.metadata.recursion_available = true;
        cut.metadata.truncation = true;
        cut.add_query(query);
        return cut.to_vec().ok();
    }
    Some(bytes)
}
