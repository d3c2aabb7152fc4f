//! A network between a checkout and its server that fails at a chosen message.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How the network fails.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Failure {
    /// All connections are closed.
    Cut,
    /// All connections stay open, and nothing arrives on any of them.
    Stall,
    /// Nothing arrives on the connection of the message. The others work.
    StallOne,
}

/// A wire that passes everything on until it has seen a number of messages from the client. It ends when this value is
/// dropped.
pub(crate) struct Wire {
    /// The port that it listens on.
    pub(crate) port: u16,
    state: Arc<State>,
    thread: Option<std::thread::JoinHandle<()>>,
}

struct State {
    server: u16,
    failure: Failure,
    last: usize,
    messages: AtomicUsize,
    is_broken: AtomicBool,
    ends: AtomicBool,
    sockets: Mutex<Vec<TcpStream>>,
    /// What the clients have sent, each piece with the switch that stalls its connection.
    sent: Mutex<Vec<(Vec<u8>, Arc<AtomicBool>)>>,
}

impl Wire {
    /// Listens, and fails after this number of messages.
    pub(crate) fn new(server: u16, failure: Failure, last: usize) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State {
            server,
            failure,
            last,
            messages: AtomicUsize::new(0),
            is_broken: AtomicBool::new(false),
            ends: AtomicBool::new(false),
            sockets: Mutex::default(),
            sent: Mutex::default(),
        });
        let of_thread = Arc::clone(&state);
        let thread = std::thread::spawn(move || {
            while !of_thread.ends.load(Ordering::SeqCst) {
                match listener.accept() {
                    Ok((client, _)) => State::connect(&of_thread, &client),
                    Err(_) => std::thread::sleep(Duration::from_millis(1)),
                }
            }
        });
        Self { port, state, thread: Some(thread) }
    }

    /// Stalls the connections on which the client has sent this text.
    #[track_caller]
    pub(crate) fn stall_the_session_of(&self, text: &str) {
        let sent = self.state.sent.lock().unwrap();
        let is_in = |bytes: &[u8]| bytes.windows(text.len()).any(|part| part == text.as_bytes());
        let mut found: Vec<_> = sent.iter().filter(|(bytes, _)| is_in(bytes)).collect();
        assert!(!found.is_empty(), "no client has sent {text}");
        found.drain(..).for_each(|(_, stalls)| stalls.store(true, Ordering::SeqCst));
    }

    /// Returns the number of messages from the client so far.
    pub(crate) fn messages(&self) -> usize {
        self.state.messages.load(Ordering::SeqCst)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.state.ends.store(true, Ordering::SeqCst);
        self.state.close();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        self.state.close();
    }
}

impl State {
    fn connect(self: &Arc<Self>, client: &TcpStream) {
        client.set_nonblocking(false).unwrap();
        if self.is_broken.load(Ordering::SeqCst) && self.failure == Failure::Cut {
            return;
        }
        let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, self.server)) else { return };
        self.sockets.lock().unwrap().extend([client.try_clone().unwrap(), server.try_clone().unwrap()]);
        let stalls = Arc::new(AtomicBool::new(false));
        for from_client in [true, false] {
            let (client, server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            let (state, stalls) = (Arc::clone(self), Arc::clone(&stalls));
            std::thread::spawn(move || {
                let (from, to) = if from_client { (client, server) } else { (server, client) };
                state.pass(from, to, from_client, &stalls);
            });
        }
    }

    /// Passes bytes on until one side closes.
    fn pass(&self, mut from: TcpStream, mut to: TcpStream, from_client: bool, stalls: &Arc<AtomicBool>) {
        let mut counter = Counter::default();
        let mut buffer = [0; 8192];
        loop {
            let length = match from.read(&mut buffer) {
                Ok(0) => break,
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => break,
            };
            if from_client {
                self.sent.lock().unwrap().push((buffer[..length].to_vec(), Arc::clone(stalls)));
                for _ in 0..counter.count(&buffer[..length]) {
                    if self.messages.fetch_add(1, Ordering::SeqCst) + 1 == self.last {
                        self.fail(stalls);
                    }
                }
            }
            let stalled = stalls.load(Ordering::SeqCst)
                || (self.failure == Failure::Stall && self.is_broken.load(Ordering::SeqCst));
            if !stalled && to.write_all(&buffer[..length]).is_err() {
                break;
            }
        }
        // A network that swallows everything swallows the end of a connection too.
        if !stalls.load(Ordering::SeqCst) && !self.is_broken.load(Ordering::SeqCst) {
            let _ = to.shutdown(Shutdown::Write);
        }
    }

    fn fail(&self, stalls: &AtomicBool) {
        match self.failure {
            Failure::StallOne => stalls.store(true, Ordering::SeqCst),
            Failure::Stall => self.is_broken.store(true, Ordering::SeqCst),
            Failure::Cut => {
                self.is_broken.store(true, Ordering::SeqCst);
                self.close();
            }
        }
    }

    fn close(&self) {
        for socket in self.sockets.lock().unwrap().drain(..) {
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
}

/// Counts the messages of PostgreSQL's protocol in a stream of bytes.
#[derive(Default)]
struct Counter {
    held: Vec<u8>,
    has_started: bool,
}

impl Counter {
    /// Returns how many messages end in these bytes.
    fn count(&mut self, bytes: &[u8]) -> usize {
        /// The version of the protocol, at the place where a request for encryption has another number.
        const VERSION: [u8; 4] = 196_608_u32.to_be_bytes();
        self.held.extend_from_slice(bytes);
        let mut count = 0;
        loop {
            // The messages before the login have no byte for their kind.
            let head = usize::from(self.has_started);
            let Some(length) = self.held.get(head..head + 4) else { return count };
            let length = head + u32::from_be_bytes(length.try_into().unwrap()) as usize;
            if self.held.len() < length {
                return count;
            }
            self.has_started |= self.held.get(4..8) == Some(&VERSION);
            self.held.drain(..length);
            count += 1;
        }
    }
}
