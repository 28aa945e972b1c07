/* What a C program gets for wrong pointers, models, images and files. Prints a line for each answer that is not the expected one. */
#include "model.h"
#include "pixelrnn.h"
#include <stdio.h>
#include <string.h>

static uint32_t state[MODEL_STATE_WORDS + 1], copy[MODEL_BYTES / 4 + 2];
static uint8_t image[MODEL_VALUES], again[MODEL_VALUES], file[2 * MODEL_VALUES];
static size_t written, taken;
static int failures;
static pixelrnn_engine engine;

#define EXPECT(expected, call) expect(expected, call, #call)
static void expect(pixelrnn_status expected, pixelrnn_status got, const char *call) {
    if (expected == got) return;
    printf("%s: %s, expected %s\n", call, pixelrnn_error_string(got), pixelrnn_error_string(expected));
    failures++;
}

static pixelrnn_status put(void *context, uint8_t byte) {
    if (written == *(size_t *)context) return PIXELRNN_ERROR_OWN - 7;
    file[written++] = byte;
    return PIXELRNN_OK;
}

static int32_t get(void *context) {
    return taken < *(size_t *)context ? file[taken++] : PIXELRNN_END;
}

static int32_t get_error(void *context) {
    return *(int32_t *)context;
}

/* Source with the answer and value of its context. */
static pixelrnn_status answer(pixelrnn_source *source, const pixelrnn_prediction *prediction, uint8_t *value) {
    const int32_t *context = source->context;
    uint64_t sum = 0;
    for (uint32_t level = 0; level < prediction->levels; level++) sum += prediction->frequencies[level];
    if (sum != 1u << 24 || pixelrnn_prediction_find(prediction, 0) != 0) failures++, puts("a wrong prediction");
    *value = (uint8_t)context[1];
    return context[0];
}

/* Source that uses the engine that calls it. */
static pixelrnn_status use_engine(pixelrnn_source *source, const pixelrnn_prediction *prediction, uint8_t *value) {
    pixelrnn_pixel pixel;
    (void)prediction, (void)value;
    return pixelrnn_engine_step(&engine, source, &pixel);
}

static void models(void) {
    const size_t bytes = MODEL_BYTES, words = MODEL_STATE_WORDS;
    pixelrnn_model model;
    pixelrnn_detail detail;
    uint8_t *blob = (uint8_t *)copy;
    EXPECT(PIXELRNN_OK, pixelrnn_model_check(model_blob, bytes, &model, &detail));
    EXPECT(PIXELRNN_OK, pixelrnn_model_check(model_blob, bytes, NULL, NULL));
    if (model.state_words != words || model.height != MODEL_HEIGHT || model.width != MODEL_WIDTH || model.channels != MODEL_CHANNELS ||
        model.levels != MODEL_LEVELS || model.classes != MODEL_CLASSES || model.values != MODEL_VALUES || detail.status != PIXELRNN_OK)
        failures++, puts("the macros and the model differ");
    EXPECT(PIXELRNN_ERROR_NULL, pixelrnn_model_check(NULL, bytes, NULL, NULL));
    EXPECT(PIXELRNN_ERROR_ALIGNMENT, pixelrnn_model_check(model_blob, bytes, (pixelrnn_model *)((uint8_t *)copy + 1), NULL));
    EXPECT(PIXELRNN_ERROR_LENGTH, pixelrnn_model_check(model_blob, (size_t)-1, NULL, NULL));
    EXPECT(PIXELRNN_ERROR_MODEL_TOO_SHORT, pixelrnn_model_check(model_blob, 3, NULL, &detail));
    if (detail.got != 3 || detail.needed == 0) failures++, puts("a wrong detail of a short model");
    EXPECT(PIXELRNN_ERROR_MODEL_LENGTH, pixelrnn_model_check(model_blob, bytes - 4, NULL, &detail));
    if (detail.got != bytes - 4 || detail.needed != bytes) failures++, puts("a wrong detail of a length");
    memcpy(blob + 1, model_blob, bytes);
    EXPECT(PIXELRNN_ERROR_MODEL_ALIGNMENT, pixelrnn_model_check(blob + 1, bytes, NULL, NULL));
    memcpy(blob, model_blob, bytes);
    blob[bytes / 2] ^= 1;
    EXPECT(PIXELRNN_ERROR_MODEL_CHECKSUM, pixelrnn_engine_init(&engine, copy, bytes, state, words, &detail));
    if (detail.status != PIXELRNN_ERROR_MODEL_CHECKSUM) failures++, puts("a wrong detail of a checksum");
    blob[0] = 'X';
    EXPECT(PIXELRNN_ERROR_MODEL_MAGIC, pixelrnn_model_check(copy, bytes, NULL, NULL));

    EXPECT(PIXELRNN_ERROR_NULL, pixelrnn_engine_init(NULL, model_blob, bytes, state, words, NULL));
    EXPECT(PIXELRNN_ERROR_NULL, pixelrnn_engine_init(&engine, model_blob, bytes, NULL, words, NULL));
    EXPECT(PIXELRNN_ERROR_ALIGNMENT, pixelrnn_engine_init(&engine, model_blob, bytes, (uint32_t *)((uint8_t *)state + 2), words, NULL));
    EXPECT(PIXELRNN_ERROR_ALIGNMENT, pixelrnn_engine_init((pixelrnn_engine *)((uint8_t *)copy + 1), model_blob, bytes, state, words, NULL));
    EXPECT(PIXELRNN_ERROR_OVERLAP, pixelrnn_engine_init((pixelrnn_engine *)(void *)(((uintptr_t)state + 15) & ~(uintptr_t)15), model_blob, bytes, state, words, NULL));
    memcpy(copy, model_blob, bytes);
    EXPECT(PIXELRNN_ERROR_OVERLAP, pixelrnn_engine_init(&engine, copy, bytes, copy, words, NULL));
    EXPECT(PIXELRNN_ERROR_BUFFER, pixelrnn_engine_init(&engine, model_blob, bytes, state, words - 1, &detail));
    if (detail.got != words - 1 || detail.needed != words) failures++, puts("a wrong detail of a buffer");
}

static void sources(void) {
    int32_t context[2] = {PIXELRNN_OK, 0};
    pixelrnn_source source = {0}, draw;
    pixelrnn_pixel pixel = {0};
    pixelrnn_engine none = {{0}};
    uint64_t cost = 0, sum = 0;
    EXPECT(PIXELRNN_ERROR_NOT_INITIALISED, pixelrnn_engine_restart(&none, PIXELRNN_NO_LABEL));
    EXPECT(PIXELRNN_ERROR_NULL, pixelrnn_engine_restart(NULL, PIXELRNN_NO_LABEL));
    EXPECT(PIXELRNN_ERROR_NOT_INITIALISED, pixelrnn_engine_step(&engine, &source, &pixel));
    EXPECT(PIXELRNN_ERROR_NULL, pixelrnn_engine_step(&engine, NULL, &pixel));
    EXPECT(PIXELRNN_ERROR_NULL, pixelrnn_engine_step(&engine, &source, NULL));
    EXPECT(PIXELRNN_ERROR_LABEL, pixelrnn_engine_restart(&engine, 0));
    EXPECT(PIXELRNN_ERROR_LABEL, pixelrnn_engine_restart(&engine, -2));
    EXPECT(PIXELRNN_ERROR_POSITION, pixelrnn_engine_resume(&engine, PIXELRNN_NO_LABEL, MODEL_VALUES + 1));
    EXPECT(PIXELRNN_ERROR_TEMPERATURE, pixelrnn_source_draw(&source, 7, 9));
    EXPECT(PIXELRNN_ERROR_NULL, pixelrnn_source_draw(NULL, 7, 1000));
    EXPECT(PIXELRNN_ERROR_NULL, pixelrnn_source_score(&source, NULL, 1));
    EXPECT(PIXELRNN_ERROR_NULL, pixelrnn_source_callback(&source, NULL, NULL, 1000));

    EXPECT(PIXELRNN_OK, pixelrnn_engine_restart(&engine, PIXELRNN_NO_LABEL));
    EXPECT(PIXELRNN_OK, pixelrnn_source_callback(&source, answer, context, PIXELRNN_TEMPERATURE_ONE));
    EXPECT(PIXELRNN_OK, pixelrnn_engine_step(&engine, &source, &pixel));
    if (pixelrnn_engine_position(&engine) != 1) failures++, puts("not at the second pixel");
    context[0] = PIXELRNN_ERROR_OWN;
    EXPECT(PIXELRNN_ERROR_OWN, pixelrnn_engine_step(&engine, &source, &pixel));
    context[0] = 5;
    EXPECT(PIXELRNN_ERROR_CALLBACK, pixelrnn_engine_step(&engine, &source, &pixel));
    context[0] = PIXELRNN_OK, context[1] = MODEL_LEVELS;
    EXPECT(PIXELRNN_ERROR_VALUE, pixelrnn_engine_step(&engine, &source, &pixel));
    if (pixelrnn_engine_position(&engine) != 1) failures++, puts("an error moved the engine");
    EXPECT(PIXELRNN_OK, pixelrnn_source_callback(&source, use_engine, NULL, PIXELRNN_TEMPERATURE_ONE));
    EXPECT(PIXELRNN_ERROR_BUSY, pixelrnn_engine_step(&engine, &source, &pixel));

    /* An image that was saved in its middle is continued, here in another engine over the same state. */
    EXPECT(PIXELRNN_OK, pixelrnn_source_draw(&draw, 7, PIXELRNN_TEMPERATURE_ONE));
    EXPECT(PIXELRNN_OK, pixelrnn_engine_run(&engine, PIXELRNN_NO_LABEL, &draw, image, sizeof image, &cost));
    EXPECT(PIXELRNN_DONE, pixelrnn_engine_step(&engine, &draw, &pixel));
    EXPECT(PIXELRNN_OK, pixelrnn_source_draw(&draw, 7, PIXELRNN_TEMPERATURE_ONE));
    EXPECT(PIXELRNN_OK, pixelrnn_engine_restart(&engine, PIXELRNN_NO_LABEL));
    for (size_t done = 0; done < MODEL_VALUES; done++) {
        if (done == 300) {
            EXPECT(PIXELRNN_OK, pixelrnn_engine_init(&engine, model_blob, MODEL_BYTES, state, MODEL_STATE_WORDS, NULL));
            EXPECT(PIXELRNN_OK, pixelrnn_engine_resume(&engine, PIXELRNN_NO_LABEL, done));
        }
        EXPECT(PIXELRNN_OK, pixelrnn_engine_step(&engine, &draw, &pixel));
        again[pixel.row * MODEL_WIDTH + pixel.column] = pixel.values[0];
        sum += pixel.cost;
    }
    if (memcmp(image, again, sizeof image) != 0 || sum != cost) failures++, puts("a resumed image differs");

    EXPECT(PIXELRNN_ERROR_IMAGE_TOO_SHORT, pixelrnn_engine_run(&engine, PIXELRNN_NO_LABEL, &draw, again, sizeof again - 1, NULL));
    EXPECT(PIXELRNN_ERROR_NULL, pixelrnn_engine_run(&engine, PIXELRNN_NO_LABEL, &draw, NULL, sizeof again, NULL));
    EXPECT(PIXELRNN_OK, pixelrnn_source_score(&source, image, 10));
    EXPECT(PIXELRNN_ERROR_IMAGE_TOO_SHORT, pixelrnn_engine_run(&engine, PIXELRNN_NO_LABEL, &source, NULL, 0, NULL));
    EXPECT(PIXELRNN_OK, pixelrnn_source_most_probable(&source));
    EXPECT(PIXELRNN_OK, pixelrnn_engine_run(&engine, PIXELRNN_NO_LABEL, &source, again, sizeof again, NULL));
}

static void files(void) {
    size_t room = 5, end;
    int32_t own = PIXELRNN_ERROR_OWN - 3, label = 9;
    pixelrnn_encoder encoder = {{0}};
    pixelrnn_decoder decoder = {{0}};
    pixelrnn_source source;
#define COMPRESS pixelrnn_compress(&engine, PIXELRNN_NO_LABEL, image, sizeof image, put, &room, NULL)
#define RESTORE (taken = 0, pixelrnn_decompress(&engine, get, &end, again, sizeof again, &label))
    EXPECT(PIXELRNN_ERROR_OWN - 7, COMPRESS);
    EXPECT(PIXELRNN_ERROR_NULL, pixelrnn_compress(&engine, PIXELRNN_NO_LABEL, image, sizeof image, NULL, NULL, NULL));
    EXPECT(PIXELRNN_ERROR_LABEL, pixelrnn_compress(&engine, 3, image, sizeof image, put, &room, NULL));
    EXPECT(PIXELRNN_ERROR_IMAGE_TOO_SHORT, pixelrnn_compress(&engine, PIXELRNN_NO_LABEL, image, 10, put, &room, NULL));
    image[100] += MODEL_LEVELS;
    EXPECT(PIXELRNN_ERROR_VALUE, COMPRESS);
    image[100] -= MODEL_LEVELS;
    written = 0, room = sizeof file;
    EXPECT(PIXELRNN_OK, COMPRESS);
    end = written;
    EXPECT(PIXELRNN_OK, RESTORE);
    if (memcmp(image, again, sizeof image) != 0 || label != PIXELRNN_NO_LABEL || taken != written) failures++, puts("not restored");
    EXPECT(PIXELRNN_ERROR_IMAGE_TOO_SHORT, pixelrnn_decompress(&engine, get, &end, again, 10, NULL));
    EXPECT(own, pixelrnn_decompress(&engine, get_error, &own, again, sizeof again, NULL));
    for (end = 0; end < written; end++) EXPECT(PIXELRNN_ERROR_FILE_TRUNCATED, RESTORE);
    own = 300;
    EXPECT(PIXELRNN_ERROR_CALLBACK, pixelrnn_decompress(&engine, get_error, &own, again, sizeof again, NULL));
    file[0] ^= 1;
    EXPECT(PIXELRNN_ERROR_FILE_MAGIC, RESTORE);
    file[0] ^= 1, file[9] ^= 1;
    EXPECT(PIXELRNN_ERROR_FILE_HEADER, RESTORE);
    file[9] ^= 1, file[written - 1] ^= 1;
    EXPECT(PIXELRNN_ERROR_FILE_CHECKSUM, RESTORE);

    EXPECT(PIXELRNN_ERROR_NOT_INITIALISED, pixelrnn_source_encode(&source, &encoder, image, sizeof image));
    EXPECT(PIXELRNN_ERROR_NOT_INITIALISED, pixelrnn_source_decode(&source, &decoder));
    EXPECT(PIXELRNN_ERROR_NOT_INITIALISED, pixelrnn_encoder_finish(&encoder));
    EXPECT(PIXELRNN_ERROR_NULL, pixelrnn_encoder_init(&encoder, NULL, NULL));
    EXPECT(PIXELRNN_ERROR_ALIGNMENT, pixelrnn_encoder_init((pixelrnn_encoder *)((uint8_t *)copy + 1), put, &room));
    /* More bytes are missing than an encoder leaves out. */
    end = 0, taken = 0;
    EXPECT(PIXELRNN_OK, pixelrnn_decoder_init(&decoder, get, &end));
    EXPECT(PIXELRNN_OK, pixelrnn_source_decode(&source, &decoder));
    EXPECT(PIXELRNN_ERROR_FILE_CORRUPT, pixelrnn_engine_run(&engine, PIXELRNN_NO_LABEL, &source, again, sizeof again, NULL));
}

int main(void) {
    models();
    EXPECT(PIXELRNN_OK, pixelrnn_engine_init(&engine, model_blob, MODEL_BYTES, state, MODEL_STATE_WORDS, NULL));
    sources();
    files();
    return failures > 0;
}
