//! Standard output that ends quietly with its reader.

use std::io::{ErrorKind, Result, StdoutLock, Write};

/// Standard output. Where its reader has gone (`host translate ... | head`), the program is done.
#[derive(Debug)]
pub struct Output(StdoutLock<'static>);

/// Standard output.
pub fn stdout() -> Output {
    Output(std::io::stdout().lock())
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        quietly(self.0.write(bytes))
    }

    fn flush(&mut self) -> Result<()> {
        quietly(self.0.flush())
    }
}

fn quietly<T>(result: Result<T>) -> Result<T> {
    match result {
        Err(e) if e.kind() == ErrorKind::BrokenPipe => std::process::exit(0),
        result => result,
    }
}
