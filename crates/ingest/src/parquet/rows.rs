//! The rows of all files, in order: threads decode row groups, and one takes what they have decoded.

use std::sync::Arc;
use std::thread::{self, JoinHandle};

use super::bounded_queue::{BoundedQueue, bounded_queue};
use super::group::{GroupFault, GroupTask, RowBatch};
use super::pages::PageMemory;
use crate::error::{Cause, Fault, Position};
use crate::input::Meter;
use crate::options::ReadOptions;
use crate::row::{InputRow, Rows};

/// Memory for pages and decoded rows where nothing is said.
pub(super) const MEMORY_BYTES: u64 = 256 << 20;

/// Threads that decode, at most.
const THREADS_MAX: usize = 32;

/// What a thread makes of its row groups: batches, and the end of each.
enum GroupOutput {
    Rows(RowBatch),
    End,
    Fault(GroupFault),
}

/// The rows of row groups.
pub(crate) struct ParquetRows {
    tasks: Arc<[GroupTask]>,
    width: usize,
    ignored: Vec<String>,
    /// Of each thread, what it has decoded: thread i has tasks i, i + n, i + 2n, …
    decoded: Vec<BoundedQueue<GroupOutput>>,
    threads: Vec<JoinHandle<()>>,
    /// The task whose rows come.
    task: usize,
    batch: RowBatch,
    /// The row of the batch that comes next.
    next: usize,
}

impl ParquetRows {
    /// No rows at all.
    pub(super) fn none() -> Self {
        Self {
            tasks: Arc::new([]),
            width: 0,
            ignored: Vec::new(),
            decoded: Vec::new(),
            threads: Vec::new(),
            task: 0,
            batch: RowBatch::default(),
            next: 0,
        }
    }

    /// Starts the threads.
    pub(super) fn new(
        tasks: Vec<GroupTask>,
        width: usize,
        ignored: Vec<String>,
        meter: &Arc<Meter>,
        options: &ReadOptions,
    ) -> Result<Self, Fault> {
        let memory = options.memory_bytes.unwrap_or(MEMORY_BYTES);
        // A half is for pages, a half for what was decoded.
        let (pages, decoded_bytes) = (memory / 2, memory / 2);
        let cores = || thread::available_parallelism().map_or(1, usize::from);
        let wanted = if options.threads == 0 { cores() } else { options.threads };
        // A page is there packed and unpacked for a moment, and a dictionary has its values.
        let most = tasks.iter().map(|task| {
            let leaves: Vec<usize> = task.leaves().collect();
            task.file.unpacked_bytes(task.group, &leaves).saturating_mul(3)
        });
        let most = most.max().unwrap_or_default().max(1);
        let fitting = usize::try_from(pages / most).unwrap_or(usize::MAX);
        let threads = wanted.min(THREADS_MAX).min(tasks.len()).min(fitting).max(1);
        let mut rows = Self::none();
        (rows.tasks, rows.width, rows.ignored) = (tasks.into(), width, ignored);
        if rows.tasks.is_empty() {
            return Ok(rows);
        }
        let (pages, queued) = (pages / threads as u64, decoded_bytes / threads as u64);
        let queued = usize::try_from(queued).unwrap_or(usize::MAX);
        for number in 0..threads {
            let (put, take) = bounded_queue();
            let (tasks, meter) = (Arc::clone(&rows.tasks), Arc::clone(meter));
            let decode = move || {
                let memory = Arc::new(PageMemory::new(pages));
                for task in tasks.iter().skip(number).step_by(threads) {
                    let mut is_wanted = true;
                    let read = task.read(&memory, &meter, |batch| {
                        let len = batch.len();
                        is_wanted = put.put(GroupOutput::Rows(batch), len, queued);
                        is_wanted
                    });
                    let end = match read {
                        Ok(()) => GroupOutput::End,
                        Err(fault) => GroupOutput::Fault(fault),
                    };
                    let is_fault = matches!(end, GroupOutput::Fault(_));
                    if !is_wanted || !put.put(end, 0, queued) || is_fault {
                        return;
                    }
                }
            };
            let thread = thread::Builder::new().name(format!("parquet {number}")).spawn(decode);
            let fail = |error| {
                Fault::new(
                    Position::WHOLE,
                    Cause::Table(Box::new(graven_format::Error::Thread { source: error })),
                )
            };
            rows.threads.push(thread.map_err(fail)?);
            rows.decoded.push(take);
        }
        Ok(rows)
    }

    fn next_batch(&mut self) -> Result<bool, Fault> {
        while let Some(task) = self.tasks.get(self.task) {
            let fail =
                |cause| Fault::new(Position::WHOLE, cause).in_input(&task.path().display().to_string());
            match self.decoded[self.task % self.decoded.len()].take() {
                Some(GroupOutput::Rows(batch)) => {
                    (self.batch, self.next) = (batch, 0);
                    return Ok(true);
                }
                Some(GroupOutput::End) => self.task += 1,
                Some(GroupOutput::Fault(GroupFault { place, problem })) => {
                    return Err(fail(Cause::Parquet { place, problem: Box::new(problem) }));
                }
                None => {
                    let place = super::ParquetPlace { row_group: Some(task.group), column: None };
                    let problem = super::ParquetProblem::Damaged("its thread has ended".into());
                    return Err(fail(Cause::Parquet { place, problem: Box::new(problem) }));
                }
            }
        }
        Ok(false)
    }
}

impl Drop for ParquetRows {
    fn drop(&mut self) {
        // Threads that wait for room see that nobody takes.
        self.decoded.clear();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Rows for ParquetRows {
    fn advance(&mut self) -> Result<bool, Fault> {
        self.next += 1;
        while self.next > self.batch.rows {
            if !self.next_batch()? {
                return Ok(false);
            }
            self.next = 1;
        }
        Ok(true)
    }

    fn row(&self) -> InputRow<'_> {
        let row = self.next.saturating_sub(1);
        let cells = &self.batch.cells[row * self.width..(row + 1) * self.width];
        InputRow {
            bytes: &self.batch.bytes,
            cells,
            position: Position::line(self.batch.first_row + row as u64),
        }
    }

    fn ignored(&self) -> &[String] {
        &self.ignored
    }

    fn input(&self) -> Option<String> {
        let task = self.tasks.iter().find(|task| task.file_number == self.batch.file)?;
        Some(task.path().display().to_string())
    }
}
