//! Listeners at a server's address that are not an ordinary server.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// How a listener treats a connection.
#[derive(Clone, Copy)]
enum Behaviour {
    Silent,
    Closes,
    WebServer,
    StartsUp { refusals: usize, port: u16 },
}

/// A listener on 127.0.0.1. It is closed when this value is dropped.
pub(crate) struct Listener {
    /// The port that it listens on.
    pub(crate) port: u16,
    connections: Arc<AtomicUsize>,
    ends: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Listener {
    /// Accepts connections and sends nothing.
    pub(crate) fn silent() -> Self {
        Self::start(Behaviour::Silent)
    }

    /// Accepts connections and closes them.
    pub(crate) fn closes() -> Self {
        Self::start(Behaviour::Closes)
    }

    /// Behaves like a web server: it waits for an empty line, and then answers.
    pub(crate) fn web_server() -> Self {
        Self::start(Behaviour::WebServer)
    }

    /// Behaves like a server that is starting up. It refuses the first `refusals` logins with 57P03. After that it
    /// passes each connection on to the server at `port`.
    pub(crate) fn starts_up(refusals: usize, port: u16) -> Self {
        Self::start(Behaviour::StartsUp { refusals, port })
    }

    /// Returns the number of connections so far.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    fn start(behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let connections = Arc::new(AtomicUsize::new(0));
        let ends = Arc::new(AtomicBool::new(false));
        let (counter, end) = (Arc::clone(&connections), Arc::clone(&ends));
        let thread = std::thread::spawn(move || {
            let refused = Arc::new(AtomicUsize::new(0));
            let mut open = Vec::new();
            while !end.load(Ordering::SeqCst) {
                let Ok((stream, _)) = listener.accept() else {
                    std::thread::sleep(Duration::from_millis(1));
                    continue;
                };
                stream.set_nonblocking(false).unwrap();
                counter.fetch_add(1, Ordering::SeqCst);
                match behaviour {
                    Behaviour::Silent => open.push(stream),
                    Behaviour::Closes => drop(stream),
                    Behaviour::WebServer => drop(std::thread::spawn(|| answer_as_web_server(stream))),
                    Behaviour::StartsUp { refusals, port } => {
                        let refused = Arc::clone(&refused);
                        std::thread::spawn(move || {
                            if refused.load(Ordering::SeqCst) >= refusals {
                                let _ = proxy(stream, port);
                            } else {
                                let _ = refuse(stream, &refused);
                            }
                        });
                    }
                }
            }
        });
        Self { port, connections, ends, thread: Some(thread) }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn answer_as_web_server(mut stream: TcpStream) -> std::io::Result<()> {
    let mut said = Vec::new();
    while !said.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        said.push(byte[0]);
    }
    stream.write_all(b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n")
}

/// Answers as PostgreSQL does while it starts up: it declines encryption and refuses the login with 57P03. The refusal is
/// counted before the client sees it, because the client may come again at once.
fn refuse(mut stream: TcpStream, refused: &AtomicUsize) -> std::io::Result<()> {
    const ENCRYPTION_REQUESTS: [u32; 2] = [80_877_103, 80_877_104];
    loop {
        let mut head = [0; 8];
        stream.read_exact(&mut head)?;
        let number = |bytes: &[u8]| u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        let (length, code) = (number(&head[..4]), number(&head[4..]));
        if ENCRYPTION_REQUESTS.contains(&code) {
            stream.write_all(b"N")?;
            continue;
        }
        let mut rest = vec![0; length as usize - 8];
        stream.read_exact(&mut rest)?;
        refused.fetch_add(1, Ordering::SeqCst);
        let fields = b"SFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0\0";
        stream.write_all(b"E")?;
        stream.write_all(&u32::try_from(fields.len() + 4).unwrap().to_be_bytes())?;
        stream.write_all(fields)?;
        return stream.shutdown(Shutdown::Write);
    }
}

/// Passes bytes both ways until both sides have closed.
fn proxy(stream: TcpStream, port: u16) -> std::io::Result<()> {
    let server = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    let (mut from, mut to) = (stream.try_clone()?, server.try_clone()?);
    let thread = std::thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    });
    let (mut from, mut to) = (server, stream);
    std::io::copy(&mut from, &mut to)?;
    to.shutdown(Shutdown::Write)?;
    let _ = thread.join();
    Ok(())
}
