//! Rust code of the book, compiled and run as documentation tests. `docs/firmware.md` is not here: its programs are for
//! microcontrollers, and `tests/firmware_guide.rs` builds and runs them. The front page is tested in `benches/`.

#[doc = include_str!("../../docs/tutorial-first-picture.md")]
struct FirstPicture;

#[doc = include_str!("../../docs/tutorial-own-board.md")]
struct OwnBoard;

#[doc = include_str!("../../docs/firmware-next.md")]
struct FirmwareNext;
