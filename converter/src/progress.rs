//! Progress of work on many images: what watches it, and bars on terminals.

use crate::error::Error;
use indicatif::{ProgressBar, ProgressStyle};
use std::borrow::Cow;

/// Watches work on many images, from all of its threads.
///
/// A closure counts the images. Another type can stop the work as well.
pub trait Progress: Copy + Sync {
    /// An image is done. Images that are worked on together are all done at their end.
    fn done(&self);

    /// Called before each piece of work: an image, a batch or a block.
    ///
    /// # Errors
    /// The work stops with this error, such as [`Error::Stopped`].
    fn check(&self) -> Result<(), Error> {
        Ok(())
    }
}

impl<F: Fn() + Copy + Sync> Progress for F {
    fn done(&self) {
        self();
    }
}

/// Name, bar, images done and in total, time left, optional message.
const TEMPLATE: &str = "{prefix} {wide_bar} {pos}/{len} images, {eta} left{msg}";

/// A bar on standard error that counts to `total` images. Hidden unless standard error is a terminal.
pub fn bar(what: impl Into<Cow<'static, str>>, total: usize) -> ProgressBar {
    let bar = ProgressBar::new(total as u64).with_prefix(what);
    match ProgressStyle::with_template(TEMPLATE) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use indicatif::{ProgressDrawTarget, TermLike};
    use std::io;
    use std::sync::{Arc, Mutex};

    /// A terminal of 100 columns that records its output.
    #[derive(Clone, Debug, Default)]
    struct Screen(Arc<Mutex<String>>);

    impl TermLike for Screen {
        fn width(&self) -> u16 {
            100
        }
        fn move_cursor_up(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_down(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_right(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_left(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn write_line(&self, text: &str) -> io::Result<()> {
            self.write_str(text)
        }
        fn write_str(&self, text: &str) -> io::Result<()> {
            self.0.lock().unwrap().push_str(text);
            Ok(())
        }
        fn clear_line(&self) -> io::Result<()> {
            Ok(())
        }
        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_bar_names_its_work_and_shows_images_and_time_left() {
        let screen = Screen::default();
        let bar = bar("scoring", 8);
        bar.set_draw_target(ProgressDrawTarget::term_like(Box::new(screen.clone())));
        bar.set_position(2);
        bar.set_message(", 80.00 nats");
        bar.tick();
        let shown = screen.0.lock().unwrap().clone();
        for words in ["scoring ", " 2/8 images, ", " left, 80.00 nats"] {
            assert!(shown.contains(words), "{words}: {shown}");
        }
    }
}
