//! Devices behind a serial line: emulated boards, and sessions in this process.

mod client;
mod long_dialogues;
mod python_host;
mod serial;
mod serial_files;
