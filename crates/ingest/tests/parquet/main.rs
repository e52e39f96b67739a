//! Parquet: files of other writers, several files together, and damage of every kind.
//!
//! The files beside this one were written by `interop/tests/interop/parquet_files.py FOLDER 15`
//! with pyarrow 26.0.1 and DuckDB 2.0.1; what each row is to be stands in the `.jsonl`.

mod damage;
mod folders;
mod hostile;
mod support;
mod values;
