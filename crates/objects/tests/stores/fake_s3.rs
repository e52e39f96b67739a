//! A small object store that speaks as much of S3's protocol as graven asks for, and that fails
//! on demand. It believes every signature; a real server is asked in `interop`.

// Not every test asks for all of it.
#![allow(dead_code)]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

/// What goes wrong with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// This status, under this name.
    Status(u16, &'static str),
    /// Half of the body, then the end of the connection.
    Truncated,
    /// The end of the connection before anything was said.
    Silence,
    /// The bytes of another range, which says so.
    OtherRange,
    /// All of the object where a range was asked for.
    Whole,
    /// A bit of the body is another.
    Flipped,
    /// It takes so long until the answer begins.
    Slow(Duration),
    /// The request is done, and its answer is lost.
    AnswerLost,
    /// Another object of that name and content is there by now.
    Swapped,
}

/// A request as a fault may be chosen by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FakeRequest {
    pub(crate) method: String,
    /// The key; empty for the bucket itself.
    pub(crate) key: String,
    pub(crate) query: String,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl FakeRequest {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    fn parameter(&self, name: &str) -> Option<String> {
        let found = self.query.split('&').find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
        found.map(decoded)
    }
}

type Faults = Box<dyn FnMut(&FakeRequest) -> Option<Fault> + Send>;

#[derive(Default)]
struct Inner {
    objects: BTreeMap<String, (Vec<u8>, u64)>,
    /// Objects that are years old.
    old: BTreeSet<String>,
    uploads: BTreeMap<String, BTreeMap<u64, Vec<u8>>>,
    written: u64,
    log: Vec<FakeRequest>,
    faults: Option<Faults>,
    /// Whether conditions of writes are kept to, refused with 501, or passed over.
    conditions: Conditions,
    tags: Tags,
}

/// By what readers are told that an object is another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Tags {
    #[default]
    Strong,
    /// Tags that no condition holds for, as of a web server that may send other bytes of the same meaning.
    Weak,
    None,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Conditions {
    #[default]
    Kept,
    NotImplemented,
    PassedOver,
}

/// The server, and the one bucket that it has.
#[derive(Clone)]
pub(crate) struct FakeS3 {
    inner: Arc<Mutex<Inner>>,
    address: SocketAddr,
}

pub(crate) const BUCKET: &str = "shop";

/// When objects are put: so late that none is ever old, but those of years ago.
const YEAR: u32 = 2126;
const YEARS_AGO: u32 = 2020;

impl FakeS3 {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let fake = Self { inner: Arc::default(), address: listener.local_addr().unwrap() };
        let answering = fake.clone();
        thread::spawn(move || {
            for peer in listener.incoming().flatten() {
                let fake = answering.clone();
                // A peer that goes away is no concern of the others.
                thread::spawn(move || drop(fake.talk(peer)));
            }
        });
        fake
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What the environment has to say for this store to be asked.
    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("AWS_ENDPOINT_URL", self.endpoint()),
            ("AWS_ACCESS_KEY_ID", "someone".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "something".to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
        ]
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    pub(crate) fn put(&self, key: &str, bytes: &[u8]) {
        self.inner().put(key, bytes.to_vec());
    }

    /// Puts an object as it was put years ago.
    pub(crate) fn put_years_ago(&self, key: &str, bytes: &[u8]) {
        let mut inner = self.inner();
        inner.put(key, bytes.to_vec());
        inner.old.insert(key.to_owned());
    }

    pub(crate) fn get(&self, key: &str) -> Option<Vec<u8>> {
        self.inner().objects.get(key).map(|(bytes, _)| bytes.clone())
    }

    pub(crate) fn remove(&self, key: &str) {
        self.inner().objects.remove(key);
    }

    pub(crate) fn keys(&self) -> Vec<String> {
        self.inner().objects.keys().cloned().collect()
    }

    pub(crate) fn set_conditions(&self, conditions: Conditions) {
        self.inner().conditions = conditions;
    }

    pub(crate) fn set_tags(&self, tags: Tags) {
        self.inner().tags = tags;
    }

    /// Has requests fail by what `faults` says, until [`Self::mend`].
    pub(crate) fn fail(&self, faults: impl FnMut(&FakeRequest) -> Option<Fault> + Send + 'static) {
        self.inner().faults = Some(Box::new(faults));
    }

    pub(crate) fn mend(&self) {
        self.inner().faults = None;
    }

    /// The requests since the last call.
    pub(crate) fn take_log(&self) -> Vec<FakeRequest> {
        std::mem::take(&mut self.inner().log)
    }

    fn talk(&self, peer: TcpStream) -> io::Result<()> {
        peer.set_nodelay(true)?;
        let mut reader = BufReader::new(peer.try_clone()?);
        let mut peer = peer;
        while let Some(request) = read_request(&mut reader)? {
            let fault = {
                let mut inner = self.inner();
                inner.log.push(request.clone());
                inner.faults.as_mut().and_then(|faults| faults(&request))
            };
            match fault {
                Some(Fault::Status(status, code)) => {
                    error(status, code).write(&mut peer, &request, None)?;
                    continue;
                }
                Some(Fault::Silence) => return Ok(()),
                Some(Fault::Slow(time)) => thread::sleep(time),
                _ => {}
            }
            let answer = self.inner().answer(&request, fault);
            if fault == Some(Fault::AnswerLost) {
                return Ok(());
            }
            if !answer.write(&mut peer, &request, fault)? {
                return Ok(());
            }
        }
        Ok(())
    }
}

fn read_request(reader: &mut impl BufRead) -> io::Result<Option<FakeRequest>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace();
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let path = decoded(path.trim_start_matches('/'));
    let key = path.split_once('/').map_or("", |(_, key)| key);
    let (method, key, query) = (method.to_owned(), key.to_owned(), query.to_owned());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Some(FakeRequest { method, key, query, headers, body }))
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, behind @ ..] = rest {
        let hex = || u8::from_str_radix(std::str::from_utf8(behind.get(..2)?).ok()?, 16).ok();
        match (*first == b'%').then(hex).flatten() {
            Some(byte) => {
                bytes.push(byte);
                rest = &behind[2..];
            }
            None => {
                bytes.push(*first);
                rest = behind;
            }
        }
    }
    String::from_utf8(bytes).unwrap()
}

struct FakeAnswer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

fn error(status: u16, code: &str) -> FakeAnswer {
    let body =
        format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>on demand</Message></Error>");
    FakeAnswer { status, headers: Vec::new(), body: body.into_bytes() }
}

fn done(headers: Vec<(&'static str, String)>, body: impl Into<Vec<u8>>) -> FakeAnswer {
    FakeAnswer { status: 200, headers, body: body.into() }
}

impl FakeAnswer {
    /// Whether the connection can be used again.
    fn write(
        mut self,
        peer: &mut TcpStream,
        request: &FakeRequest,
        fault: Option<Fault>,
    ) -> io::Result<bool> {
        let mut head = format!("HTTP/1.1 {} X\r\nContent-Length: {}\r\n", self.status, self.body.len());
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        peer.write_all(format!("{head}\r\n").as_bytes())?;
        if request.method == "HEAD" {
            return Ok(true);
        }
        let half = self.body.len() / 2;
        match fault {
            Some(Fault::Truncated) => {
                peer.write_all(&self.body[..half])?;
                return Ok(false);
            }
            Some(Fault::Flipped) if !self.body.is_empty() => self.body[half] ^= 1,
            _ => {}
        }
        peer.write_all(&self.body)?;
        Ok(true)
    }
}

impl Inner {
    fn put(&mut self, key: &str, bytes: Vec<u8>) -> String {
        self.written += 1;
        self.old.remove(key);
        self.objects.insert(key.to_owned(), (bytes, self.written));
        tag(self.written)
    }

    fn answer(&mut self, request: &FakeRequest, fault: Option<Fault>) -> FakeAnswer {
        let upload = request.parameter("uploadId");
        match (request.method.as_str(), request.key.as_str(), upload) {
            ("GET", "", _) => self.list(request),
            ("GET" | "HEAD", ..) => self.read(request, fault),
            ("PUT", _, Some(upload)) => {
                let number = request.parameter("partNumber").and_then(|number| number.parse().ok()).unwrap();
                let Some(parts) = self.uploads.get_mut(&upload) else { return error(404, "NoSuchUpload") };
                parts.insert(number, request.body.clone());
                done(vec![("ETag", tag(number))], "")
            }
            ("PUT", key, None) => match self.refusal(request) {
                Some(refusal) => refusal,
                None => done(vec![("ETag", self.put(key, request.body.clone()))], ""),
            },
            ("POST", key, Some(upload)) => {
                let Some(parts) = self.uploads.remove(&upload) else { return error(404, "NoSuchUpload") };
                let tag = self.put(key, parts.into_values().flatten().collect());
                done(
                    vec![],
                    format!(
                        "<CompleteMultipartUploadResult><ETag>{tag}</ETag></CompleteMultipartUploadResult>"
                    ),
                )
            }
            ("POST", _, None) => {
                self.written += 1;
                let upload = format!("u{}", self.written);
                self.uploads.insert(upload.clone(), BTreeMap::new());
                done(
                    vec![],
                    format!(
                        "<InitiateMultipartUploadResult><UploadId>{upload}</UploadId></InitiateMultipartUploadResult>"
                    ),
                )
            }
            ("DELETE", _, Some(upload)) => {
                self.uploads.remove(&upload);
                done(vec![], "")
            }
            ("DELETE", key, None) => {
                self.objects.remove(key);
                done(vec![], "")
            }
            _ => error(400, "InvalidRequest"),
        }
    }

    /// Why a write does not happen.
    fn refusal(&self, request: &FakeRequest) -> Option<FakeAnswer> {
        let (matches, none) = (request.header("if-match"), request.header("if-none-match"));
        if self.conditions == Conditions::PassedOver || (matches.is_none() && none.is_none()) {
            return None;
        }
        if self.conditions == Conditions::NotImplemented {
            return Some(error(501, "NotImplemented"));
        }
        let there = self.objects.get(&request.key).map(|(_, written)| tag(*written));
        let holds = match (matches, none) {
            (Some(expected), _) => there.as_deref() == Some(expected),
            _ => there.is_none(),
        };
        (!holds).then(|| error(412, "PreconditionFailed"))
    }

    fn read(&mut self, request: &FakeRequest, fault: Option<Fault>) -> FakeAnswer {
        if let (Some(Fault::Swapped), Some((bytes, _))) = (fault, self.objects.get(&request.key)) {
            let bytes = bytes.clone();
            self.put(&request.key, bytes);
        }
        let Some((bytes, written)) = self.objects.get(&request.key) else { return error(404, "NoSuchKey") };
        let tag = tag(*written);
        let modified = format!("Wed, 27 Nov {YEAR} 10:{:02}:{:02} GMT", written / 60 % 60, written % 60);
        let is_met = match self.tags {
            Tags::Strong => request.header("if-match").is_none_or(|expected| expected == tag),
            _ => {
                request.header("if-match").is_none()
                    && request.header("if-unmodified-since").is_none_or(|expected| expected == modified)
            }
        };
        if !is_met {
            return error(412, "PreconditionFailed");
        }
        let mut headers = vec![("Last-Modified", modified), ("Accept-Ranges", "bytes".to_owned())];
        match self.tags {
            Tags::Strong => headers.push(("ETag", tag)),
            Tags::Weak => headers.push(("ETag", format!("W/{tag}"))),
            Tags::None => {}
        }
        let range = request.header("range").and_then(|range| {
            let (start, end) = range.strip_prefix("bytes=")?.split_once('-')?;
            let (start, end) = (start.parse::<usize>().ok()?, end.parse::<usize>().ok()?);
            Some((start, end.min(bytes.len() - 1)))
        });
        match range.filter(|_| fault != Some(Fault::Whole)) {
            Some((start, _)) if start >= bytes.len() => error(416, "InvalidRange"),
            Some((start, end)) => {
                let shift = usize::from(fault == Some(Fault::OtherRange) && start > 0);
                let (start, end) = (start - shift, end - shift);
                headers.push(("Content-Range", format!("bytes {start}-{end}/{}", bytes.len())));
                FakeAnswer { status: 206, headers, body: bytes[start..=end].to_vec() }
            }
            None if request.method == "HEAD" => {
                FakeAnswer { status: 200, headers, body: vec![0; bytes.len()] }
            }
            None => done(headers, bytes.clone()),
        }
    }

    /// Pages of three, so that every listing worth the name has several.
    fn list(&self, request: &FakeRequest) -> FakeAnswer {
        let prefix = request.parameter("prefix").unwrap_or_default();
        let behind = request.parameter("continuation-token").unwrap_or_default();
        let found: Vec<_> =
            self.objects.iter().filter(|(key, _)| key.starts_with(&prefix) && **key > behind).collect();
        let page = &found[..found.len().min(3)];
        let mut text = String::from("<ListBucketResult>");
        for (key, (bytes, written)) in page {
            let year = if self.old.contains(*key) { YEARS_AGO } else { YEAR };
            text.push_str(&format!(
                "<Contents><Key>{key}</Key><LastModified>{year}-11-27T10:00:00.000Z</LastModified><Size>{}</Size><ETag>{}</ETag></Contents>",
                bytes.len(),
                tag(*written).replace('"', "&quot;"),
            ));
        }
        let is_cut = page.len() < found.len();
        text.push_str(&format!("<IsTruncated>{is_cut}</IsTruncated>"));
        if let Some((key, _)) = page.last().filter(|_| is_cut) {
            text.push_str(&format!("<NextContinuationToken>{key}</NextContinuationToken>"));
        }
        text.push_str("</ListBucketResult>");
        done(vec![], text)
    }
}

fn tag(written: u64) -> String {
    format!("\"tag-{written}\"")
}
