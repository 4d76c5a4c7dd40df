//! A small and fast S3 that only lists: versions, current objects, heads, and a bucket's encryption.
//! Its buckets lie in memory, so that what a comparison costs is the comparison.

mod written;

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::{BufRead, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use written::Written;

/// The most entries of a page.
const PAGE: usize = 1_000;

/// One version of an object.
#[derive(Clone, Debug)]
pub struct Version {
    /// Its id.
    pub id: String,
    /// Its size and entity tag; `None` for a delete marker.
    pub object: Option<(u64, String)>,
    /// When it was written.
    pub modified: &'static str,
    /// Headers that a HEAD of it answers besides.
    pub headers: Vec<(&'static str, String)>,
}

/// When versions were written of which nothing else is said.
const MODIFIED: &str = "2026-03-01T02:00:00.000Z";

impl Version {
    /// An object.
    pub fn object(id: impl Into<String>, size: u64, etag: impl Into<String>) -> Version {
        let object = Some((size, etag.into()));
        Version { id: id.into(), object, modified: MODIFIED, headers: Vec::new() }
    }

    /// A delete marker.
    pub fn marker(id: impl Into<String>) -> Version {
        Version { id: id.into(), object: None, modified: MODIFIED, headers: Vec::new() }
    }

    /// The same with a header.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Version {
        self.headers.push((name, value.into()));
        self
    }
}

/// A bucket: the versions of every key, newest first.
#[derive(Clone, Debug, Default)]
pub struct Bucket {
    /// Its keys.
    pub keys: BTreeMap<String, Vec<Version>>,
    /// The algorithm of its default encryption, if it says one.
    pub encryption: Option<&'static str>,
    /// A page after this many says again where the one before said that it goes on.
    pub repeats_after: Option<u64>,
    /// Keys that go when so many pages were read.
    pub goes_after: Option<(u64, String)>,
    pages: u64,
    written: Written,
}

/// What goes wrong with one page.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Flaw {
    /// Too many are asked for.
    SlowDown,
    /// The credentials are of yesterday.
    Expired,
    /// The connection breaks in the middle of the body.
    Broken,
    /// It ends in the middle, and says that it is whole.
    Shortened,
    /// It is something else.
    Garbled,
}

/// The server.
#[derive(Clone, Debug)]
pub struct ListServer {
    port: u16,
    buckets: Arc<RwLock<BTreeMap<String, Bucket>>>,
    latency_ms: Arc<AtomicU64>,
    pages: Arc<AtomicU64>,
    /// What goes wrong with the next pages.
    flaws: Arc<Mutex<Vec<Flaw>>>,
    heads: Arc<AtomicU64>,
    /// Pages that are being made now, and the most there were.
    at_once: Arc<(AtomicU64, AtomicU64)>,
}

impl ListServer {
    /// Starts it on a free port.
    ///
    /// # Panics
    ///
    /// When there is none.
    pub fn start(mut buckets: BTreeMap<String, Bucket>) -> ListServer {
        for bucket in buckets.values_mut() {
            bucket.written = Written::of(&bucket.keys);
        }
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let server = ListServer {
            port,
            buckets: Arc::new(RwLock::new(buckets)),
            latency_ms: Arc::default(),
            pages: Arc::default(),
            flaws: Arc::default(),
            heads: Arc::default(),
            at_once: Arc::default(),
        };
        let answering = server.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let server = answering.clone();
                // A caller that hangs up is its own business.
                std::thread::spawn(move || drop(server.serve(stream)));
            }
        });
        server
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Every page takes so much longer from now on.
    pub fn slow_down(&self, latency: Duration) {
        let millis = u64::try_from(latency.as_millis()).expect("a short time");
        self.latency_ms.store(millis, Ordering::Relaxed);
    }

    /// Spoils the next pages, one after the other.
    pub fn spoil(&self, flaws: &[Flaw]) {
        let mut next = self.flaws.lock().expect("nobody panics here");
        next.extend(flaws.iter().rev());
    }

    /// How many heads of versions it gave, in all.
    pub fn heads(&self) -> u64 {
        self.heads.load(Ordering::Relaxed)
    }

    /// How many pages it gave, in all.
    pub fn pages(&self) -> u64 {
        self.pages.load(Ordering::Relaxed)
    }

    /// How many pages it was asked for at the same time, at the most.
    pub fn most_at_once(&self) -> u64 {
        self.at_once.1.load(Ordering::Relaxed)
    }

    fn serve(&self, stream: TcpStream) -> std::io::Result<()> {
        stream.set_nodelay(true)?;
        let mut reader = BufReader::new(stream.try_clone()?);
        let mut writer = stream;
        let mut line = String::new();
        loop {
            line.clear();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let request = line.clone();
            loop {
                line.clear();
                if reader.read_line(&mut line)? == 0 || line == "\r\n" {
                    break;
                }
            }
            let mut words = request.split(' ');
            let (method, target) = (words.next().unwrap_or(""), words.next().unwrap_or("/"));
            let mut answer = self.answer(method, target);
            let is_page = target.contains("versions") && answer.status == "200 OK";
            let flaw =
                if is_page { self.flaws.lock().expect("nobody panics here").pop() } else { None };
            match flaw {
                Some(Flaw::SlowDown) => answer = Answer::error("503 Slow Down", "SlowDown"),
                Some(Flaw::Expired) => answer = Answer::error("400 Bad Request", "ExpiredToken"),
                Some(Flaw::Shortened) => answer.body.truncate(answer.body.len() / 2),
                Some(Flaw::Garbled) => answer.body.insert_str(answer.body.len() / 2, "<!-- -->"),
                Some(Flaw::Broken) | None => {}
            }
            let mut head = format!("HTTP/1.1 {}\r\n", answer.status);
            for (name, value) in &answer.headers {
                let _ = write!(head, "{name}: {value}\r\n");
            }
            if !answer.headers.iter().any(|(name, _)| *name == "content-length") {
                let _ = write!(head, "content-length: {}\r\n", answer.body.len());
            }
            head.push_str("content-type: application/xml\r\n\r\n");
            writer.write_all(head.as_bytes())?;
            if flaw == Some(Flaw::Broken) {
                return writer.write_all(&answer.body.as_bytes()[..answer.body.len() / 2]);
            }
            if method != "HEAD" {
                writer.write_all(answer.body.as_bytes())?;
            }
        }
    }

    fn answer(&self, method: &str, target: &str) -> Answer {
        let url = reqwest::Url::parse("http://x").and_then(|base| base.join(target));
        let Ok(url) = url else { return Answer::error("400 Bad Request", "InvalidURI") };
        let path =
            percent_encoding::percent_decode_str(url.path()).decode_utf8_lossy().into_owned();
        let (bucket, key) = path[1..].split_once('/').unwrap_or((&path[1..], ""));
        let query: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
        if method == "HEAD" && !key.is_empty() {
            return self.head(bucket, key, query.get("versionId").map(String::as_str));
        }
        if query.contains_key("versions") || query.contains_key("list-type") {
            self.wait();
        }
        let buckets = self.buckets.read().expect("nobody panics here");
        let Some(shelf) = buckets.get(bucket) else {
            return Answer::error("404 Not Found", "NoSuchBucket");
        };
        if method == "HEAD" || query.contains_key("location") {
            return Answer::ok(String::new()).with("x-amz-bucket-region", "us-east-1".to_owned());
        }
        if query.contains_key("encryption") {
            return encryption(shelf);
        }
        if query.contains_key("versions") {
            let answer = versions(shelf, &query);
            drop(buckets);
            self.turn(bucket);
            return answer;
        }
        current(shelf, &query)
    }

    /// What happens to a bucket while it is listed.
    fn turn(&self, bucket: &str) {
        self.pages.fetch_add(1, Ordering::Relaxed);
        let is_still = {
            let buckets = self.buckets.read().expect("nobody panics here");
            buckets
                .get(bucket)
                .is_none_or(|shelf| shelf.goes_after.is_none() && shelf.repeats_after.is_none())
        };
        if is_still {
            return;
        }
        let mut buckets = self.buckets.write().expect("nobody panics here");
        let Some(shelf) = buckets.get_mut(bucket) else { return };
        shelf.pages += 1;
        if let Some((pages, key)) = &shelf.goes_after
            && *pages == shelf.pages
        {
            shelf.keys.remove(key);
            shelf.written = Written::of(&shelf.keys);
        }
    }

    #[expect(clippy::disallowed_methods, reason = "the latency of a network is what is imitated")]
    fn wait(&self) {
        let (now, most) = &*self.at_once;
        most.fetch_max(now.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
        let millis = self.latency_ms.load(Ordering::Relaxed);
        if millis > 0 {
            std::thread::sleep(Duration::from_millis(millis));
        }
        now.fetch_sub(1, Ordering::Relaxed);
    }

    fn head(&self, bucket: &str, key: &str, version: Option<&str>) -> Answer {
        self.heads.fetch_add(1, Ordering::Relaxed);
        let buckets = self.buckets.read().expect("nobody panics here");
        let versions = buckets.get(bucket).and_then(|shelf| shelf.keys.get(key));
        let is_it = |found: &&Version| version.is_none_or(|wanted| wanted == found.id);
        let found = versions.into_iter().flatten().find(is_it);
        let Some((version, (size, etag))) =
            found.and_then(|version| Some((version, version.object.as_ref()?)))
        else {
            return Answer::error("404 Not Found", "NoSuchKey");
        };
        let mut answer = Answer::ok(String::new())
            .with("content-length", size.to_string())
            .with("etag", format!("\"{etag}\""));
        answer.headers.extend(version.headers.iter().cloned());
        answer
    }
}

struct Answer {
    status: &'static str,
    headers: Vec<(&'static str, String)>,
    body: String,
}

impl Answer {
    fn ok(body: String) -> Answer {
        Answer { status: "200 OK", headers: Vec::new(), body }
    }

    fn error(status: &'static str, code: &str) -> Answer {
        let body = format!("<Error><Code>{code}</Code><Message>{code}</Message></Error>");
        Answer { status, headers: Vec::new(), body }
    }

    fn with(mut self, name: &'static str, value: String) -> Answer {
        self.headers.push((name, value));
        self
    }
}

fn encryption(shelf: &Bucket) -> Answer {
    let Some(algorithm) = shelf.encryption else {
        return Answer::error("404 Not Found", "ServerSideEncryptionConfigurationNotFoundError");
    };
    Answer::ok(format!(
        "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>\
         {algorithm}</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule>\
         </ServerSideEncryptionConfiguration>"
    ))
}

fn most(query: &BTreeMap<String, String>) -> usize {
    query.get("max-keys").and_then(|text| text.parse().ok()).unwrap_or(PAGE).min(PAGE)
}

/// As S3 does with `encoding-type=url`: like a form, but for the slash.
fn encoded(key: &str) -> String {
    let mut text = String::with_capacity(key.len());
    for byte in key.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'*' | b'/' => {
                text.push(char::from(byte));
            }
            b' ' => text.push('+'),
            _ => {
                let _ = write!(text, "%{byte:02X}");
            }
        }
    }
    text
}

fn versions(shelf: &Bucket, query: &BTreeMap<String, String>) -> Answer {
    let text = |name: &str| query.get(name).map_or("", String::as_str);
    let (mut after, mut behind) = (text("key-marker"), text("version-id-marker"));
    if shelf.repeats_after.is_some_and(|pages| shelf.pages >= pages) {
        // The page of the very beginning comes again.
        (after, behind) = ("", "");
    }
    let written = &shelf.written;
    let (keys, end) = written.below(text("prefix"));
    let mut start = written.behind(after, keys);
    if !behind.is_empty() {
        // The rest of the key's versions.
        let all = shelf.keys.get(after).map_or(&[][..], Vec::as_slice);
        let place = all.iter().position(|version| version.id == behind);
        start -= place.map_or(0, |place| all.len() - 1 - place);
    }
    let stop = end.min(start + most(query)).max(start);
    let truncated = stop < end;
    let mut head = String::from("<ListVersionsResult><EncodingType>url</EncodingType>");
    let _ = write!(head, "<IsTruncated>{truncated}</IsTruncated>");
    if truncated && stop > start {
        let (key, version) = written.entry(stop - 1);
        let (id, key) = (&shelf.keys[key][version].id, encoded(key));
        let _ = write!(
            head,
            "<NextKeyMarker>{key}</NextKeyMarker><NextVersionIdMarker>{id}</NextVersionIdMarker>"
        );
    }
    let body = &written.versions[written.begins[start]..written.begins[stop]];
    head.reserve(body.len() + 30);
    head.push_str(body);
    head.push_str("</ListVersionsResult>");
    Answer::ok(head)
}

/// `ListObjectsV2`, with a delimiter: for those who list so.
fn current(shelf: &Bucket, query: &BTreeMap<String, String>) -> Answer {
    let text = |name: &str| query.get(name).map_or("", String::as_str);
    let (prefix, delimiter) = (text("prefix"), text("delimiter"));
    let token = text("continuation-token").replace('+', " ");
    let token = percent_encoding::percent_decode_str(&token).decode_utf8_lossy().into_owned();
    let after = token.as_str().max(text("start-after"));
    let written = &shelf.written;
    let mut body = String::with_capacity(300 * PAGE);
    let (mut count, mut last, mut truncated) = (0, String::new(), false);
    let from = |key: &str| written.keys.partition_point(|(one, _)| one.as_str() < key);
    let mut place = from(prefix.max(after));
    while let Some((key, _)) = written.keys.get(place)
        && key.starts_with(prefix)
    {
        let contents = written.current(place);
        place += 1;
        if contents.is_empty() || key.as_str() <= after {
            continue;
        }
        if count == most(query) {
            truncated = true;
            break;
        }
        count += 1;
        let folder = key[prefix.len()..].find(delimiter).filter(|_| !delimiter.is_empty());
        if let Some(end) = folder {
            let folder = &key[..prefix.len() + end + delimiter.len()];
            let name = encoded(folder);
            let _ = write!(body, "<CommonPrefixes><Prefix>{name}</Prefix></CommonPrefixes>");
            last = format!("{folder}{}", char::MAX);
            place = from(&last);
            continue;
        }
        last.clone_from(key);
        body.push_str(contents);
    }
    let mut all = String::from("<ListBucketResult><EncodingType>url</EncodingType>");
    let _ = write!(all, "<IsTruncated>{truncated}</IsTruncated><KeyCount>{count}</KeyCount>");
    if truncated {
        let _ = write!(all, "<NextContinuationToken>{}</NextContinuationToken>", encoded(&last));
    }
    all.push_str(&body);
    all.push_str("</ListBucketResult>");
    Answer::ok(all)
}
