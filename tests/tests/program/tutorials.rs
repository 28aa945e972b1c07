//! The commands of the tutorials in `docs/`, run in the order in which they stand there; the options of `docs/cli.md`.

use pixelrnn_tests::fixtures;
use pixelrnn_tests::program::Folder;
use std::collections::BTreeSet;
use std::path::Path;

/// Command lines of a page's `sh` blocks, without comments; lines that end with a backslash are joined.
fn commands(page: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(page);
    let page = std::fs::read_to_string(path).unwrap().replace("\\\n", " ");
    let blocks = page.split("```sh\n").skip(1).filter_map(|rest| rest.split_once("```"));
    let lines = blocks.flat_map(|(block, _)| block.lines());
    lines.map(|line| line.split(" #").next().unwrap().trim().to_owned()).filter(|line| !line.is_empty()).collect()
}

/// Runs those commands that are the program's, and `cmp`; gives back how many.
fn follow(folder: &Folder, page: &str) -> usize {
    let commands = commands(page);
    let ours = commands.iter().filter(|command| match command.split_once(' ') {
        Some(("pixelrnn", arguments)) => {
            println!("{command}");
            folder.run(arguments).good();
            true
        }
        Some(("cmp", files)) => {
            let (one, other) = files.split_once(' ').unwrap();
            assert_eq!(folder.read(one), folder.read(other), "{command}");
            true
        }
        _ => false,
    });
    ours.count()
}

#[test]
fn the_commands_of_the_first_picture_work_without_any_data() {
    let folder = Folder::new();
    assert!(follow(&folder, "tutorial-first-picture.md") >= 11);
    for file in ["seven.png", "sevens.png", "likeliest.png", "completed.png", "digits.prnz", "context.png"] {
        assert!(!folder.read(file).is_empty(), "{file}");
    }
}

#[test]
fn the_commands_of_the_own_model_work_with_a_trained_model_and_a_folder_of_pictures() {
    let folder = Folder::new();
    // In the place of `pixelrnn-train`.
    std::fs::create_dir(folder.path("run")).unwrap();
    let trained = fixtures::folder().join("pixel_cnn_gray_bernoulli.safetensors");
    std::fs::copy(trained, folder.path("run/model.safetensors")).unwrap();
    // In the place of somebody's pictures: a compressed set is restored to a folder of PNG files.
    folder.run("convert run/model.safetensors --weights f32 -o float.prnn").good();
    folder.run("sample -m float.prnn -n 12 -o drawn.npy").good();
    folder.run("compress drawn.npy -m float.prnn -o drawn.prnz").good();
    folder.run("decompress drawn.prnz -m float.prnn -o pictures").good();

    assert!(follow(&folder, "tutorial-own-model.md") >= 5);
    assert!(!folder.read("mine.prnn").is_empty() && !folder.read("mine.png").is_empty());
}

/// Long options that a text names.
fn options(text: &str) -> BTreeSet<&str> {
    let names = text.split("--").skip(1).map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_lowercase() && c != '-').unwrap_or(rest.len());
        &rest[..end]
    });
    names.filter(|name| !name.is_empty() && !name.starts_with('-')).collect()
}

#[test]
fn the_page_of_the_command_line_has_all_options_of_all_commands() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/cli.md");
    let page = std::fs::read_to_string(path).unwrap();
    let folder = Folder::new();
    let help = |line: &str| String::from_utf8(folder.run(line).good().stdout).unwrap();
    let overview = help("--help");
    let (_, commands) = overview.split_once("Commands:\n").unwrap();
    let commands =
        commands.lines().take_while(|line| !line.is_empty()).filter_map(|line| line.split_whitespace().next());
    let commands: Vec<&str> = commands.filter(|command| *command != "help").collect();
    assert!(commands.len() >= 9, "{commands:?}");
    for command in commands {
        let heading = format!("\n## pixelrnn {command}\n");
        let (_, section) = page.split_once(&heading).unwrap_or_else(|| panic!("no section for {command}"));
        let section = section.split("\n## ").next().unwrap();
        let section = section.replace(r"\|", "/");
        // The first column of the table: other columns name options of other commands as well.
        let rows = section.lines().filter(|line| line.starts_with("| `")).filter_map(|line| line.split('|').nth(1));
        let listed: String = rows.collect();
        let printed = help(&format!("{command} --help"));
        let (_, printed) = printed.split_once("\nOptions:\n").unwrap();
        let printed = printed.lines().map(str::trim_start).filter(|line| line.starts_with('-'));
        let printed: String = printed.map(|line| line.split("  ").next().unwrap().to_owned() + " ").collect();
        let mut printed = options(&printed);
        printed.remove("help");
        assert_eq!(options(&listed), printed, "{command}");
    }
}
