//! Runs every example and checks its output.

use std::error::Error;
use std::io::Write;

/// Includes examples as modules. Their `main` does no more than pass the standard output to `run`.
macro_rules! examples {
    ($($(#[$attribute:meta])* $name:ident = $path:literal;)*) => {$(
        $(#[$attribute])*
        #[path = $path]
        #[allow(dead_code)]
        mod $name;
    )*};
}
examples! {
    async_yield = "../examples/async_yield.rs";
    #[cfg(feature = "std")]
    batch = "../examples/batch.rs";
    complete = "../examples/complete.rs";
    #[cfg(feature = "std")]
    compress = "../examples/compress.rs";
    sample = "../examples/sample.rs";
    save_resume = "../examples/save_resume.rs";
    score = "../examples/score.rs";
}

type Checked = Result<(), Box<dyn Error>>;

/// Lines of an example's output.
fn lines(run: fn(&mut dyn Write) -> Checked) -> Result<Vec<String>, Box<dyn Error>> {
    let mut out = Vec::new();
    run(&mut out)?;
    Ok(String::from_utf8(out)?.lines().map(str::to_owned).collect())
}

/// Numbers of a line, in order.
fn numbers(line: &str) -> Vec<f64> {
    let words = line.split(|c: char| c.is_whitespace() || ":;,".contains(c));
    words.filter_map(|word| word.parse().ok()).collect()
}

#[test]
fn sample_draws_a_digit() -> Checked {
    let lines = lines(sample::run)?;
    let (digit, last) = lines.split_at(28);
    assert!(digit.iter().all(|row| row.len() == 2 * 28), "{digit:?}");
    let ink = digit.iter().flat_map(|row| row.chars()).filter(|c| *c == '#').count() / 2;
    assert!((50..300).contains(&ink), "{ink} pixels of 784 in {digit:?}");
    assert!(last.len() == 1 && numbers(&last[0])[1] > 0.0, "{last:?}");
    Ok(())
}

#[test]
fn complete_keeps_the_given_rows_and_draws_different_ones() -> Checked {
    let lines = lines(complete::run)?;
    let same = |line: &String| {
        let mut images = line.split_whitespace().take(3);
        let first = images.next();
        images.all(|image| Some(image) == first)
    };
    let (given, drawn) = lines.split_at(14);
    assert!(given.iter().all(|line| line.ends_with("given") && same(line)), "{given:?}");
    assert!(drawn.iter().all(|line| line.ends_with("drawn")) && !drawn.iter().all(same), "{drawn:?}");
    assert_eq!(drawn.len(), 14);
    Ok(())
}

#[test]
fn score_finds_the_digit_the_likeliest() -> Checked {
    let lines = lines(score::run)?;
    assert!(lines.len() == 4 && lines[0].ends_with(": digit"), "{lines:?}");
    assert!(lines.is_sorted_by_key(|line| numbers(line)[0]), "{lines:?}");
    Ok(())
}

#[test]
#[cfg(feature = "std")]
fn compress_takes_the_bytes_that_the_likelihood_is_worth() -> Checked {
    let lines = lines(compress::run)?;
    assert_eq!(lines.len(), 4);
    for line in lines {
        let [_, _, bytes, least] = numbers(&line)[..] else { return Err(line.into()) };
        assert!((least..least + 2.0).contains(&bytes), "{line}");
    }
    Ok(())
}

#[test]
fn save_resume_gives_the_same_image_from_each_position() -> Checked {
    let lines = lines(save_resume::run)?;
    assert!(lines.len() == 3 && lines.iter().all(|line| line.ends_with(": the same image")), "{lines:?}");
    Ok(())
}

#[test]
fn async_yield_runs_the_other_task_once_a_pixel() -> Checked {
    let lines = lines(async_yield::run)?;
    assert_eq!(numbers(&lines[0])[1..], [784.0, 784.0], "{lines:?}");
    Ok(())
}

#[test]
#[cfg(feature = "std")]
fn batch_scores_its_images_as_they_were_drawn() -> Checked {
    let lines = lines(batch::run)?;
    assert_eq!(lines.len(), 16);
    for line in lines {
        let [drawn, scored] = numbers(&line)[..] else { return Err(line.into()) };
        assert!(drawn > 0.0 && (drawn - scored).abs() < 1e-9, "{line}");
    }
    Ok(())
}
