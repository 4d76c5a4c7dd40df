//! What users are told: the zone's own name servers are asked, and never a cache.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    future::Future,
    net::{Ipv6Addr, SocketAddr},
    time::Duration,
};

use hickory_proto::{
    op::{Message, MessageType, Query, ResponseCode},
    rr::{Name, RData, RecordType},
};
use muster_runbooks::{application::Traffic, name::Region};
use muster_state::call::{BoxError, CallError};
use rand::TryRngCore as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpStream, UdpSocket},
};

/// One question to one server, and how often it is put over UDP.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
const UDP_TRIES: u32 = 2;

/// The most name servers of a zone that are asked; Route 53 gives four.
const SERVERS_MAX: usize = 8;

/// A datagram answer without extensions is smaller; a longer one comes truncated and over TCP.
const UDP_BYTES_MAX: usize = 4_096;

/// What the name servers answered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Heard {
    /// The region that every answer stands for, if they agree.
    region: Option<String>,
    /// All values that came.
    values: BTreeSet<String>,
    /// How many servers did not answer.
    silent: usize,
}

impl Heard {
    /// The region that users are sent to, if all answers agree on one.
    pub fn region(&self) -> Option<Region> {
        self.region.as_deref()?.parse().ok()
    }

    /// Whether users are sent to this region.
    pub fn is(&self, region: &Region) -> bool {
        self.says(region.as_str())
    }

    /// The same for a region by its name.
    pub fn says(&self, region: &str) -> bool {
        self.region.as_deref() == Some(region)
    }
}

impl fmt::Display for Heard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let values = self.values.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        let region = self.region.as_deref().unwrap_or("no one region");
        write!(f, "{region} ({values})")?;
        if self.silent > 0 {
            write!(f, ", {} name servers silent", self.silent)?;
        }
        Ok(())
    }
}

/// Asks all name servers of the zone. At least half must answer.
pub async fn ask(traffic: &Traffic) -> Result<Heard, CallError> {
    let mut name: Name = traffic.name.parse().map_err(|why| no_answer(Box::new(why)))?;
    // Else the question in an answer would not equal ours.
    name.set_fqdn(true);
    let servers = servers(traffic, &name).await.map_err(no_answer)?;
    let has_six = |values: &Vec<String>| values.iter().any(|v| v.parse::<Ipv6Addr>().is_ok());
    let kinds: &[RecordType] = if traffic.answers.values().any(has_six) {
        &[RecordType::A, RecordType::AAAA]
    } else {
        &[RecordType::A]
    };
    let questions = servers.iter().map(|server| values(*server, &name, kinds));
    let heard = futures::future::join_all(questions).await;
    judge(&traffic.answers, heard).map_err(no_answer)
}

fn no_answer(source: BoxError) -> CallError {
    CallError::NoAnswer { service: "dns".to_owned(), operation: "Query", source }
}

/// One region is meant when every server that answers names something of it and nothing of another.
fn judge(
    answers: &BTreeMap<String, Vec<String>>,
    heard: Vec<Result<BTreeSet<String>, BoxError>>,
) -> Result<Heard, BoxError> {
    let asked = heard.len();
    let (mut all, mut regions, mut silent) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
    for answer in heard {
        match answer {
            Ok(values) => {
                regions.insert(region_of(answers, &values));
                all.extend(values);
            }
            Err(why) => silent.push(why),
        }
    }
    if silent.len() * 2 > asked || silent.len() == asked {
        return Err(silent.pop().unwrap_or_else(|| "the zone has no name server".into()));
    }
    let region = if regions.len() == 1 { regions.pop_first().flatten() } else { None };
    Ok(Heard { region, values: all, silent: silent.len() })
}

fn region_of(answers: &BTreeMap<String, Vec<String>>, values: &BTreeSet<String>) -> Option<String> {
    let is_named =
        |declared: &Vec<String>| declared.iter().any(|value| values.contains(&plain(value)));
    let mut named = answers.iter().filter(|(_, declared)| is_named(declared));
    match (named.next(), named.next()) {
        (Some((region, _)), None) => Some(region.clone()),
        (Some(_), Some(_)) | (None, _) => None,
    }
}

/// Names are compared without case and without the final dot.
fn plain(value: &str) -> String {
    value.trim_end_matches('.').to_ascii_lowercase()
}

/// The zone's own name servers: as configured, or as the zone says through the system's resolvers.
async fn servers(traffic: &Traffic, name: &Name) -> Result<Vec<SocketAddr>, BoxError> {
    if !traffic.name_servers.is_empty() {
        let parsed = traffic.name_servers.iter().take(SERVERS_MAX).map(|text| text.parse());
        return Ok(parsed.collect::<Result<_, _>>()?);
    }
    let resolvers = resolvers()?;
    let mut zone = name.clone();
    // The zone is the nearest parent that has name servers.
    while zone.num_labels() > 1 {
        let mut found = Vec::new();
        for resolver in &resolvers {
            let Ok(message) = question(*resolver, &zone, RecordType::NS, true).await else {
                continue;
            };
            let servers = message.answers().iter().filter_map(|record| record.data().as_ns());
            found.extend(servers.map(|server| server.0.to_utf8()));
            break;
        }
        let mut addresses = Vec::new();
        for host in found.iter().take(SERVERS_MAX) {
            let resolved =
                within(tokio::net::lookup_host((host.trim_end_matches('.'), 53))).await?;
            addresses.extend(resolved?.next());
        }
        if !addresses.is_empty() {
            return Ok(addresses);
        }
        zone = zone.base_name();
    }
    Err(format!("no name servers were found for `{name}`").into())
}

/// The resolvers of this machine.
fn resolvers() -> Result<Vec<SocketAddr>, BoxError> {
    let text = std::fs::read_to_string("/etc/resolv.conf")?;
    let address = |line: &str| {
        let address = line.trim().strip_prefix("nameserver")?.trim().parse().ok()?;
        Some(SocketAddr::new(address, 53))
    };
    Ok(text.lines().filter_map(address).take(3).collect())
}

/// Everything that one server says about a name: addresses, and the names that lead to them.
async fn values(
    server: SocketAddr,
    name: &Name,
    kinds: &[RecordType],
) -> Result<BTreeSet<String>, BoxError> {
    let mut values = BTreeSet::new();
    for kind in kinds {
        let message = question(server, name, *kind, false).await?;
        if !message.authoritative() {
            return Err(format!("{server} is no name server of `{name}`").into());
        }
        values.extend(message.answers().iter().filter_map(|record| value(record.data())));
    }
    Ok(values)
}

/// One question: over UDP, and over TCP when the answer does not fit.
async fn question(
    server: SocketAddr,
    name: &Name,
    kind: RecordType,
    recurse: bool,
) -> Result<Message, BoxError> {
    let mut asked = Message::new();
    // Not to be guessed by whoever would like to answer first.
    asked.set_id(rand::rngs::OsRng.try_next_u32()? as u16);
    asked.set_recursion_desired(recurse);
    asked.add_query(Query::query(name.clone(), kind));
    let bytes = asked.to_vec()?;
    let mut answer = Err("not asked".into());
    for _ in 0..UDP_TRIES {
        answer = within(by_udp(server, &bytes, &asked)).await.and_then(|answer| answer);
        if answer.is_ok() {
            break;
        }
    }
    let mut answer = answer?;
    if answer.truncated() {
        answer = within(by_tcp(server, &bytes, &asked)).await??;
    }
    let code = answer.response_code();
    if matches!(code, ResponseCode::NoError | ResponseCode::NXDomain) {
        return Ok(answer);
    }
    Err(format!("{server} answered `{code}`").into())
}

fn value(data: &RData) -> Option<String> {
    let four = data.as_a().map(|address| address.0.to_string());
    let six = || data.as_aaaa().map(|address| address.0.to_string());
    let name = || data.as_cname().map(|target| plain(&target.0.to_utf8()));
    four.or_else(six).or_else(name)
}

async fn by_udp(server: SocketAddr, bytes: &[u8], asked: &Message) -> Result<Message, BoxError> {
    let any: SocketAddr =
        if server.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { (Ipv6Addr::UNSPECIFIED, 0).into() };
    let socket = UdpSocket::bind(any).await?;
    // Connected: the kernel drops what comes from anybody else.
    socket.connect(server).await?;
    socket.send(bytes).await?;
    let mut buffer = [0; UDP_BYTES_MAX];
    loop {
        let len = socket.recv(&mut buffer).await?;
        if let Ok(message) = Message::from_vec(&buffer[..len])
            && answers(&message, asked)
        {
            return Ok(message);
        }
    }
}

async fn by_tcp(server: SocketAddr, bytes: &[u8], asked: &Message) -> Result<Message, BoxError> {
    let mut stream = TcpStream::connect(server).await?;
    stream.write_all(&u16::try_from(bytes.len())?.to_be_bytes()).await?;
    stream.write_all(bytes).await?;
    let len = stream.read_u16().await?;
    let mut buffer = vec![0; usize::from(len)];
    stream.read_exact(&mut buffer).await?;
    let message = Message::from_vec(&buffer)?;
    if answers(&message, asked) { Ok(message) } else { Err("an answer to another question".into()) }
}

fn answers(message: &Message, asked: &Message) -> bool {
    message.id() == asked.id()
        && message.message_type() == MessageType::Response
        && message.queries() == asked.queries()
}

/// Bounds one question: a dead name server says nothing at all.
#[expect(
    clippy::disallowed_methods,
    reason = "the time-out of this client; DNS brings none of its own"
)]
async fn within<T>(work: impl Future<Output = T>) -> Result<T, BoxError> {
    Ok(tokio::time::timeout(ANSWER_WITHIN, work).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: one region is heard only when nothing speaks against it.
    /// Method: what several servers may say.
    #[test]
    fn which_region_is_meant() {
        let answers: BTreeMap<String, Vec<String>> = [
            ("us-east-1".to_owned(), vec!["192.0.2.1".to_owned()]),
            ("us-west-2".to_owned(), vec!["LB.west.example.com.".to_owned()]),
        ]
        .into();
        let says = |values: &[&str]| Ok(values.iter().map(|value| plain(value)).collect());
        let silent = || Err(BoxError::from("silent"));
        type Said = Vec<Result<BTreeSet<String>, BoxError>>;
        let table: Vec<(Said, Option<Option<&str>>)> = vec![
            (vec![says(&["192.0.2.1"])], Some(Some("us-east-1"))),
            (vec![says(&["lb.west.example.com", "198.51.100.7"])], Some(Some("us-west-2"))),
            (vec![says(&["192.0.2.1"]), says(&["lb.west.example.com"])], Some(None)),
            (vec![says(&["192.0.2.1", "lb.west.example.com"])], Some(None)),
            (vec![says(&["203.0.113.1"])], Some(None)),
            (vec![says(&[])], Some(None)),
            (vec![says(&["192.0.2.1"]), silent()], Some(Some("us-east-1"))),
            (vec![says(&["192.0.2.1"]), silent(), silent()], None),
            (vec![silent()], None),
            (vec![], None),
        ];
        for (heard, meant) in table {
            let shown = format!("{heard:?}");
            let heard = judge(&answers, heard).ok();
            let region = heard.map(|heard| heard.region);
            assert_eq!(region, meant.map(|region| region.map(str::to_owned)), "{shown}");
        }
    }
}
