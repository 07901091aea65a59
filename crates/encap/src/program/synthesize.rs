//! Synthesis: reads the rows of a CSV, first to plan the connections, and again to send the frames to a sink.

use std::io::Seek as _;

use switchboard_encap::build::{BadTwin, Builder, FrameSink, Plan, Settings, Summary};
use switchboard_encap::capture::Format;
use switchboard_encap::rows::{RowError, RowOptions, RowReader, RowRef};

use super::build_args::BuildArgs;
use super::diagnostics::{RowDiagnostics, report};
use super::failure::Failure;
use super::input::Input;
use super::servers;

/// A CSV whose rows were read once, with the plan of its connections.
pub(crate) struct Synthesis {
    input: Input,
    options: RowOptions,
    plan: Plan,
    /// The number of rows that can be carried.
    n_rows: u64,
    pub(crate) settings: Settings,
}

impl Synthesis {
    /// Reads the rows for the first time, and reports their problems. `None` if no row can be carried.
    pub(crate) fn plan(
        input: Input,
        args: &BuildArgs,
        format: Format,
        diagnostics: &mut RowDiagnostics,
    ) -> Result<Option<Self>, Failure> {
        let mut input = input.rewindable()?;
        let (settings, options) = (args.settings(format), args.row_options());
        let mut unused_servers = args.servers.apps();
        let mut plan = Plan::new(settings).served_by(unused_servers.clone());
        let mut reader = read_from_start(&mut input, options)?;
        loop {
            let admitted = reader.next_row().map(|row| {
                row.map(|row| {
                    unused_servers.retain(|app| row.source != app && row.destination != app);
                    plan.admit(row)
                })
            });
            for fault in reader.take_remarks() {
                diagnostics.report_fault(&fault);
            }
            match admitted {
                Ok(None) => break,
                Ok(Some(Ok(()))) => diagnostics.admitted += 1,
                Ok(Some(Err(refusal))) => diagnostics.report_refusal(&refusal),
                Err(RowError::Refused(faults)) => {
                    diagnostics.refused += 1;
                    for fault in faults {
                        diagnostics.report_fault(&fault);
                    }
                }
                Err(RowError::Io(error)) => return Err(input.read_failure(error)),
            }
        }
        servers::report_unused(&unused_servers);
        let n_rows = diagnostics.admitted;
        Ok((n_rows > 0).then_some(Self { input, options, plan, n_rows, settings }))
    }

    /// Reads the rows again, and sends their frames to `sink`. `failure` converts an error of the sink.
    pub(crate) fn build<S: FrameSink>(
        &mut self,
        sink: S,
        failure: impl Fn(S::Error) -> Failure,
    ) -> Result<(S, Summary), Failure> {
        let mut builder = Builder::new(&self.plan, sink);
        self.for_each_row(|row| builder.row(row).map_err(&failure))?;
        let (sink, summary) = builder.finish().map_err(&failure)?;
        if summary.rows != self.n_rows {
            return Err(Failure::Changed { file: self.input.name() });
        }
        Ok((sink, summary))
    }

    /// Reads the rows again, and sends the frames of their bad twin to `sink`.
    pub(crate) fn build_bad_twin<S: FrameSink>(
        &mut self,
        sink: S,
        failure: impl Fn(S::Error) -> Failure,
    ) -> Result<S, Failure> {
        let mut twin = BadTwin::new(&self.plan, sink);
        self.for_each_row(|row| twin.row(row).map_err(&failure))?;
        Ok(twin.finish())
    }

    fn for_each_row(&mut self, mut take: impl FnMut(RowRef<'_>) -> Result<(), Failure>) -> Result<(), Failure> {
        let mut reader = read_from_start(&mut self.input, self.options)?;
        loop {
            match reader.next_row() {
                Ok(Some(row)) => take(row)?,
                Ok(None) => return Ok(()),
                // The first reading reported these faults.
                Err(RowError::Refused(_)) => {}
                Err(RowError::Io(error)) => return Err(self.input.read_failure(error)),
            }
            // Discard the remarks: the first reading reported them.
            reader.take_remarks();
        }
    }
}

/// Rewinds `input`, and returns a reader of its rows.
fn read_from_start(input: &mut Input, options: RowOptions) -> Result<RowReader<&mut Input>, Failure> {
    input.rewind().map_err(|error| input.read_failure(error))?;
    Ok(RowReader::new(input, options))
}

/// Reports that there are no frames to show or to compare.
pub(crate) fn report_no_rows(file: &str) {
    report(format_args!("encap: {file} has no row that can be carried, so there is nothing to show"));
}
