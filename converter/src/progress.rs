//! Progress bars, shared by all programs. Shown on terminals only.

use indicatif::{ProgressBar, ProgressStyle};
use std::borrow::Cow;

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
