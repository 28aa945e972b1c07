//! An engine uses exactly its buffer and does not depend on the initial contents.

use pixelrnn::blob::Layout;
use pixelrnn::kernels::Portable;
use pixelrnn::{
    Cost, Distribution, Engine, Model, Plan, Position, Sample, SetupError, StepError, SymbolSource, Temperature,
};
use pixelrnn_converter::Blob;
use pixelrnn_converter::layout::arrange;
use pixelrnn_tests::forward::PLANS;
use pixelrnn_tests::random::Random;
use pixelrnn_tests::{fixtures, forward, golden, models};

pixelrnn::include_model!(
    /// A golden blob, included as in firmware.
    mod included = "../../golden/pixel_cnn_gray.prnn"
);

/// Blobs of the fixtures and of random models, each with a valid label.
fn blobs() -> Vec<(String, Blob, Option<usize>)> {
    let fixtures = fixtures::converted().into_iter().map(|(f, blob)| (f.name.clone(), blob, f.label(0)));
    let random = (2000..2040).filter_map(|seed| {
        let (trained, blob) = models::random_blob(seed)?;
        let label = (trained.description().classes > 0).then_some(0);
        Some((format!("random model {seed}"), blob, label))
    });
    fixtures.chain(random).collect()
}

#[test]
fn nothing_beside_the_buffer_is_touched() {
    const GUARD: usize = 64;
    for (name, blob, label) in blobs() {
        let model = blob.model().unwrap();
        for plan in PLANS {
            let words = model.state_words_for(plan);
            let mut random = Random::new(1);
            let mut memory: Vec<u32> = (0..words + 2 * GUARD).map(|_| random.bits() as u32).collect();
            let before = memory.clone();
            let mut engine = forward::engine(model, &mut memory[GUARD..GUARD + words], plan);
            forward::run(&mut engine, label, Sample::seeded(0, Temperature::ONE));
            assert_eq!(memory[..GUARD], before[..GUARD], "{name}, {plan:?}: before the buffer");
            assert_eq!(memory[GUARD + words..], before[GUARD + words..], "{name}, {plan:?}: after the buffer");
        }
    }
}

#[test]
fn a_larger_buffer_is_left_alone_beyond_the_state() {
    for (name, blob, label) in blobs() {
        let model = blob.model().unwrap();
        let words = model.state_words();
        let mut memory = vec![0xa5a5_5a5a; words + 100];
        let mut engine = Engine::new(model, &mut memory).unwrap();
        forward::run(&mut engine, label, Sample::seeded(0, Temperature::ONE));
        assert!(memory[words..].iter().all(|word| *word == 0xa5a5_5a5a), "{name}");
    }
}

#[test]
fn a_smaller_buffer_is_refused() {
    for (name, blob, _) in blobs() {
        let model = blob.model().unwrap();
        for plan in PLANS {
            let needed = model.state_words_for(plan);
            let mut memory = vec![0; needed - 1];
            let error = Engine::with(model, &mut memory, Portable, plan).unwrap_err();
            assert_eq!(error, SetupError::Buffer { needed, got: needed - 1 }, "{name}");
        }
        assert_eq!(model.state_words(), model.state_words_for(Plan::Pixel), "{name}");
    }
}

/// Words that a forward pass changes in a buffer filled with `fill`.
fn touched(model: Model<'_>, label: Option<usize>, fill: u32, plan: Plan) -> Vec<bool> {
    let mut memory = vec![fill; model.state_words_for(plan)];
    let mut engine = forward::engine(model, &mut memory, plan);
    forward::run(&mut engine, label, Sample::seeded(0, Temperature::ONE));
    memory.iter().map(|word| *word != fill).collect()
}

#[test]
fn the_whole_state_is_used() {
    for (fixture, blob) in fixtures::converted() {
        let model = blob.model().unwrap();
        // LSTM state is only used with a row above.
        if model.image().height == 1 {
            continue;
        }
        for plan in PLANS {
            let [a, b] = [0x5555_5555, 0xaaaa_aaaa].map(|fill| touched(model, fixture.label(0), fill, plan));
            let last = (0..a.len()).rposition(|word| a[word] || b[word]).unwrap();
            assert_eq!(last + 1, a.len(), "{}, {plan:?}: high-water mark", fixture.name);
        }
    }
}

#[test]
fn what_stood_in_the_buffer_does_not_matter() {
    for (name, blob, label) in blobs() {
        let model = blob.model().unwrap();
        let clean = forward::sample(model, 5, 1000, label);
        let mut random = Random::new(3);
        let fills = [0, u32::MAX, 0x8080_8080, 0x7f7f_7f7f];
        for (fill, plan) in fills.into_iter().flat_map(|fill| PLANS.map(|plan| (fill, plan))) {
            let words = model.state_words_for(plan);
            let mut memory: Vec<u32> = (0..words).map(|_| random.bits() as u32 ^ fill).collect();
            let mut engine = forward::engine(model, &mut memory, plan);
            let dirty = forward::run(&mut engine, label, Sample::seeded(5, Temperature::ONE));
            assert_eq!(dirty, clean, "{name}");
            // Also on leftovers of the first image.
            forward::run(&mut engine, label, Sample::seeded(6, Temperature::ONE));
            let again = forward::run(&mut engine, label, Sample::seeded(5, Temperature::ONE));
            assert_eq!(again, clean, "{name}");
        }
    }
}

#[test]
fn an_image_broken_off_leaves_nothing_behind() {
    for (name, blob, label) in blobs() {
        let model = blob.model().unwrap();
        let clean = forward::sample(model, 5, 1000, label);
        for plan in PLANS {
            let mut memory = vec![0; model.state_words_for(plan)];
            let mut engine = forward::engine(model, &mut memory, plan);
            engine.restart(label).unwrap();
            let shape = model.image();
            for _ in 0..shape.height * shape.width / 2 {
                engine.step(&mut Sample::seeded(9, Temperature::ONE)).unwrap();
            }
            assert_eq!(
                forward::run(&mut engine, label, Sample::seeded(5, Temperature::ONE)),
                clean,
                "{name}, {plan:?}"
            );
        }
    }
}

/// Fails at the first request for each value.
struct Hesitant {
    draw: Sample<pixelrnn::DefaultRng>,
    asked: Vec<Position>,
}

impl SymbolSource for Hesitant {
    type Error = ();

    fn next(&mut self, at: Position, distribution: &Distribution<'_>) -> Result<u8, ()> {
        if self.asked.contains(&at) {
            return self.draw.next(at, distribution).map_err(|never| match never {});
        }
        self.asked.push(at);
        Err(())
    }
}

#[test]
fn a_source_that_had_no_value_can_be_asked_again() {
    for ((name, blob, label), plan) in blobs().iter().flat_map(|blob| PLANS.map(|plan| (blob, plan))) {
        let (model, label) = (blob.model().unwrap(), *label);
        let mut memory = vec![0; model.state_words_for(plan)];
        let mut engine = forward::engine(model, &mut memory, plan);
        engine.restart(label).unwrap();
        let mut source = Hesitant { draw: Sample::seeded(5, Temperature::ONE), asked: Vec::new() };
        let mut cost = Cost(0);
        loop {
            let draw = source.draw.clone();
            match engine.step(&mut source) {
                Ok(Some(pixel)) => cost += pixel.cost,
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(error, StepError::Source(()), "{name}");
                    // The pixel is computed again from its first colour, so that the same values are drawn again.
                    source.draw = draw;
                }
            }
        }
        assert_eq!(source.asked.len(), model.image().values(), "{name}: every value was refused once");
        assert_eq!(cost, forward::sample(model, 5, 1000, label).cost, "{name}");
    }
}

#[test]
fn two_engines_that_take_turns_share_nothing() {
    let blobs = blobs();
    for pair in blobs.windows(2) {
        let [(name, first, first_label), (_, second, second_label)] = pair else { unreachable!("windows of two") };
        let both = [(first.model().unwrap(), *first_label), (second.model().unwrap(), *second_label)];
        let alone = both.map(|(model, label)| forward::sample(model, 11, 1000, label).cost);

        let mut memories = both.map(|(model, _)| vec![0; model.state_words()]);
        let [memory, other] = &mut memories;
        let mut engines = [Engine::new(both[0].0, memory).unwrap(), Engine::new(both[1].0, other).unwrap()];
        let mut sources = [Sample::seeded(11, Temperature::ONE), Sample::seeded(11, Temperature::ONE)];
        let mut costs = [Cost(0); 2];
        for (engine, (_, label)) in engines.iter_mut().zip(both) {
            engine.restart(label).unwrap();
        }
        let mut running = true;
        while running {
            running = false;
            for turn in 0..2 {
                if let Some(pixel) = engines[turn].step(&mut sources[turn]).unwrap() {
                    costs[turn] += pixel.cost;
                    running = true;
                }
            }
        }
        assert_eq!(costs, alone, "{name} and its neighbour");
    }
}

/// Four engines in four threads use one blob in place, and four more use a second blob, concurrently.
#[test]
fn engines_in_threads_share_nothing_but_the_blob() {
    const ENGINES: u64 = 4;
    let blobs = blobs();
    for pair in blobs.windows(2).step_by(4) {
        let models = [0, 1].map(|n| (pair[n].0.as_str(), pair[n].1.model().unwrap(), pair[n].2));
        let jobs: Vec<_> = models.iter().flat_map(|model| (0..ENGINES).map(move |seed| (*model, seed))).collect();
        let start = std::sync::Barrier::new(jobs.len());
        std::thread::scope(|scope| {
            for ((name, model, label), seed) in jobs {
                let start = &start;
                scope.spawn(move || {
                    let alone = forward::sample(model, seed, 1000, label);
                    start.wait();
                    assert_eq!(forward::sample(model, seed, 1000, label), alone, "{name}, seed {seed}");
                });
            }
        });
    }
}

#[test]
fn an_included_model_knows_its_size_before_it_runs() {
    let file = Blob::read(&golden::folder().join("pixel_cnn_gray.prnn")).unwrap();
    let header = *file.model().unwrap().header();
    assert_eq!(included::BLOB, file.bytes());
    assert_eq!(4 * included::STATE_WORDS, header.state_bytes as usize);
    assert_eq!(size_of::<included::State>(), header.state_bytes as usize);
    let model = included::model().unwrap();
    assert_eq!(model.state_words(), included::STATE_WORDS);

    let mut state: included::State = [0; included::STATE_WORDS];
    let mut engine = Engine::new(model, &mut state).unwrap();
    let walked = forward::run(&mut engine, None, Sample::seeded(0, Temperature::ONE));
    assert_eq!(walked, forward::sample(file.model().unwrap(), 0, 1000, None));
}

#[test]
fn an_image_goes_on_from_any_pixel_in_another_engine_with_another_kernel() {
    for (name, blob, label) in blobs() {
        let model = blob.model().unwrap();
        let pixels = model.image().height * model.image().width;
        for plan in PLANS {
            let whole = forward::score_under(plan, model, &forward::sample(model, 5, 1000, label).image, label);
            for position in [0, 1, pixels / 2, pixels - 1, pixels] {
                let mut source = Sample::seeded(5, Temperature::ONE);
                let mut first = vec![0; model.state_words_for(plan)];
                let mut engine = forward::engine(model, &mut first, plan);
                engine.restart(label).unwrap();
                let mut cost = Cost(0);
                for _ in 0..position {
                    cost += engine.step(&mut source).unwrap().unwrap().cost;
                }
                let mut saved = engine.state().to_vec();
                first.fill(0);

                let mut engine = Engine::with(model, &mut saved, Portable, plan).unwrap();
                engine.resume(label, position).unwrap();
                while let Some(pixel) = engine.step(&mut source).unwrap() {
                    cost += pixel.cost;
                }
                assert_eq!(cost, whole.cost, "{name}, {plan:?}: on from pixel {position}");
            }
        }
    }
}

#[test]
fn an_image_cannot_go_on_behind_its_end() {
    let (_, blob, label) = blobs().swap_remove(0);
    let model = blob.model().unwrap();
    let mut state = vec![0; model.state_words()];
    let mut engine = Engine::new(model, &mut state).unwrap();
    let pixels = model.image().height * model.image().width;
    assert_eq!(engine.resume(label, pixels + 1), Err(SetupError::Position { pixels, got: pixels + 1 }));
}

/// Saved files do not depend on the weight layout.
#[test]
fn what_is_saved_does_not_depend_on_the_layout_of_weights() {
    let blob = Blob::read(&golden::file().with_file_name(golden::BUILT_IN)).unwrap();
    let states = [Layout::RowMajor, Layout::Tiled].map(|layout| {
        let blob = arrange(&blob, layout).unwrap();
        let model = blob.model().unwrap();
        let mut state = vec![0; model.state_words()];
        let mut engine = Engine::new(model, &mut state).unwrap();
        let mut source = Sample::seeded(7, Temperature::ONE);
        for _ in 0..300 {
            engine.step(&mut source).unwrap();
        }
        (model.identity(), engine.state().to_vec())
    });
    assert_eq!(states[0], states[1]);
}
