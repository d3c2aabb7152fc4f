//! An HTTP server on 127.0.0.1, whose answers a test decides.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A server. It ends with the process of the test.
pub(crate) struct Server {
    pub(crate) port: u16,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Starts a server. `answer` gets the number of the request, counted from one, its head, and the connection.
    pub(crate) fn start(answer: impl Fn(usize, &str, &mut TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (kept, answer) = (Arc::clone(&requests), Arc::new(answer));
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let (kept, answer) = (Arc::clone(&kept), Arc::clone(&answer));
                std::thread::spawn(move || {
                    let head = head(&mut stream);
                    let number = {
                        let mut kept = kept.lock().unwrap();
                        kept.push(head.clone());
                        kept.len()
                    };
                    answer(number, &head, &mut stream);
                });
            }
        });
        Self { port, requests }
    }

    /// Serves a file, and continues it where the client asks.
    pub(crate) fn of(bytes: Vec<u8>) -> Self {
        Self::start(move |_, head, stream| serve(&bytes, head, stream, bytes.len()))
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/some/build-1.whl", self.port)
    }

    /// The heads of all requests so far.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

/// Answers with the file from where the client asks, and closes the connection at a place of the file.
pub(crate) fn serve(bytes: &[u8], head: &str, stream: &mut TcpStream, until: usize) {
    let from = head
        .to_lowercase()
        .split_once("range: bytes=")
        .map_or(0, |(_, rest)| rest.split('-').next().and_then(|from| from.parse().ok()).unwrap_or(0));
    let (status, range) = match from {
        0 => ("200 OK", String::new()),
        from => ("206 Partial Content", format!("Content-Range: bytes {from}-{}/{0}\r\n", bytes.len())),
    };
    let length = bytes.len() - from;
    answer(stream, &format!("{status}\r\n{range}Content-Length: {length}"), &bytes[from..until.max(from)]);
}

/// Sends a status line with header lines, and a body.
pub(crate) fn answer(stream: &mut TcpStream, status: &str, body: &[u8]) {
    // The client may have gone.
    let _ = stream.write_all(format!("HTTP/1.1 {status}\r\nConnection: close\r\n\r\n").as_bytes());
    let _ = stream.write_all(body);
}

fn head(stream: &mut TcpStream) -> String {
    let mut said = Vec::new();
    let mut byte = [0];
    while !said.ends_with(b"\r\n\r\n") && stream.read_exact(&mut byte).is_ok() {
        said.push(byte[0]);
    }
    String::from_utf8_lossy(&said).into_owned()
}
