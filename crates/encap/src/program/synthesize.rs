//! The frames of a CSV: made while they are read, and no more of them than are.
//!
//! One thread makes a capture and writes it into a pipe, from which the other reads as from a file. Once enough was read
//! the pipe is closed, which ends the making. So memory is bounded by what the pipe holds, whatever the CSV has.

use std::io;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use switchboard_encap::build::{Builder, Content, Plan, Settings, Summary};
use switchboard_encap::capture::{Format, WriteError};
use switchboard_encap::rows::{Row, Transport};
use switchboard_encap::show::{FrameRecord, RowPart};

use super::build_args::BuildArgs;
use super::diagnostics::{RowDiagnostics, report};
use super::failure::Failure;
use super::input::Input;

/// A row on its way, and how many frames were made before it.
type Sent = (u64, Row);

/// The rows that frames are made of, in their order.
pub(crate) struct Rows {
    sent: Receiver<Sent>,
    next: Option<Sent>,
    current: Option<Row>,
    /// Bytes of what is sent for the current row that earlier frames carried.
    carried: usize,
}

impl Rows {
    /// What the next frame carries of which row.
    pub(crate) fn carried_by(&mut self, record: &FrameRecord<'_>) -> Option<RowPart> {
        // A row is there before its first frame is.
        while let Some((before, row)) = self.next.take().or_else(|| self.sent.try_recv().ok()) {
            if before >= record.number {
                self.next = Some((before, row));
                break;
            }
            (self.current, self.carried) = (Some(row), 0);
        }
        // All other frames say what else they are for.
        if !record.comments.first().is_some_and(|comment| comment.starts_with("msg_id=")) {
            return None;
        }
        let start = self.carried;
        self.carried += record.frame.payload().len();
        Some(RowPart { row: self.current.clone()?, bytes: start..self.carried })
    }
}

/// Lets `read` read what `encap build` makes of a CSV, if there is a row in it that can be carried. Faults,
/// refusals and remarks are reported.
pub(crate) fn frames<T>(
    input: Input,
    args: &BuildArgs,
    diagnostics: &mut RowDiagnostics,
    read: impl FnOnce(io::PipeReader, Rows) -> Result<T, Failure>,
) -> Result<Option<T>, Failure> {
    let mut input = input.rewindable()?;
    let settings = args.settings(Format::Pcapng);
    let plan = args.plan(&mut input, settings, diagnostics)?;
    if diagnostics.admitted == 0 {
        report(format_args!(
            "encap: {} has no row that can be carried, so there is nothing to show",
            diagnostics.file()
        ));
        return Ok(None);
    }
    let origin = format!(
        "Synthesised from {} as encap build makes it, with seed {}: no frame here was on a wire",
        diagnostics.file(),
        args.seed
    );
    let (from, to) = io::pipe()?;
    let (rows, sent) = mpsc::channel();
    let rows_read = Rows { sent, next: None, current: None, carried: 0 };
    thread::scope(|scope| {
        let maker = scope.spawn(|| make(input, args, settings, plan, to, &origin, &rows));
        let done = read(from, rows_read);
        let made = maker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let done = done?;
        // What is remarked on all of it is known if all of it was made.
        for remark in made?.iter().flat_map(|summary| summary.remarks.list()) {
            diagnostics.remark(remark);
        }
        Ok(Some(done))
    })
}

/// Makes frames until all are made, or nobody wants more.
fn make(
    mut input: Input,
    args: &BuildArgs,
    settings: Settings,
    plan: Plan,
    to: io::PipeWriter,
    about: &str,
    rows: &Sender<Sent>,
) -> Result<Option<Summary>, Failure> {
    let unwritable = |error| Failure::WriteCapture { file: "a pipe".to_owned(), error };
    let made = Builder::new(plan, to, about).map_err(unwritable).and_then(|mut builder| {
        args.each_row(&mut input, |row| {
            // Over TCP, an empty message is in no frame.
            let is_nothing = row.message.is_empty()
                && settings.content == Content::Faithful
                && settings.transport.of(row.protocol) == Transport::Tcp;
            if !is_nothing {
                // Whoever reads may have seen enough.
                let _ = rows.send((builder.frames(), row.to_row()));
            }
            builder.row(row).map_err(unwritable)
        })?;
        builder.finish().map_err(unwritable)
    });
    match made {
        Ok((_, summary)) => Ok(Some(summary)),
        Err(Failure::WriteCapture { error: WriteError::Io(error), .. })
            if error.kind() == io::ErrorKind::BrokenPipe =>
        {
            Ok(None)
        }
        Err(failure) => Err(failure),
    }
}
