/* Draws a digit, completes its lower half, scores it, compresses and restores it: needs the release folder and a C compiler. */
#include "model.h"
#include "pixelrnn.h"
#include <inttypes.h>
#include <stdio.h>

static uint32_t state[MODEL_STATE_WORDS];
static uint8_t image[MODEL_VALUES], restored[MODEL_VALUES], file[MODEL_VALUES + 128];
static size_t written, taken;

static pixelrnn_status put(void *context, uint8_t byte) {
    (void)context;
    if (written == sizeof file) return PIXELRNN_ERROR_OWN;
    file[written++] = byte;
    return PIXELRNN_OK;
}

static int32_t get(void *context) {
    (void)context;
    return taken < written ? file[taken++] : PIXELRNN_END;
}

static uint32_t crc32(uint32_t crc, const uint8_t *bytes, size_t count) {
    for (crc = ~crc; count--; bytes++)
        for (unsigned bit = 0, low; bit < 8; bit++, crc = crc >> 1 ^ (low ? 0xEDB88320u : 0))
            low = (crc ^ *bytes >> bit) & 1;
    return ~crc;
}

int main(void) {
    const int32_t label = MODEL_CLASSES > 0 ? 0 : PIXELRNN_NO_LABEL;
    pixelrnn_engine engine;
    pixelrnn_source source;
    pixelrnn_pixel pixel;
    uint64_t drawn = 0, scored = 0, completed = 0, spent = 0;
    int32_t found = 0, status;
    uint32_t crc = 0;
#define TRY(call) if ((status = (call)) != PIXELRNN_OK) return printf("%s\n", pixelrnn_error_string(status)), 1
    TRY(pixelrnn_engine_init(&engine, model_blob, MODEL_BYTES, state, MODEL_STATE_WORDS, NULL));
    TRY(pixelrnn_source_draw(&source, 7, PIXELRNN_TEMPERATURE_ONE));
    TRY(pixelrnn_engine_run(&engine, label, &source, image, sizeof image, &drawn));
    for (size_t at = 0; at < MODEL_HEIGHT * MODEL_WIDTH; at++) /* one character a pixel: the first channel */
        printf("%c%s", " .:-=+*#%@"[image[at] * 9 / (MODEL_LEVELS - 1)], (at + 1) % MODEL_WIDTH ? "" : "\n");
    crc = crc32(crc, image, sizeof image);

    TRY(pixelrnn_source_score(&source, image, sizeof image));
    TRY(pixelrnn_engine_run(&engine, label, &source, NULL, 0, &scored));

    TRY(pixelrnn_compress(&engine, label, image, sizeof image, put, NULL, &spent));
    TRY(pixelrnn_decompress(&engine, get, NULL, restored, sizeof restored, &found));
    if (crc32(0, restored, sizeof restored) != crc || found != label || spent != scored) return puts("not restored"), 1;

    TRY(pixelrnn_source_complete(&source, image, sizeof image, MODEL_HEIGHT / 2, 8, PIXELRNN_TEMPERATURE_ONE));
    TRY(pixelrnn_engine_restart(&engine, label));
    for (; (status = pixelrnn_engine_step(&engine, &source, &pixel)) == PIXELRNN_OK; completed += pixel.cost)
        crc = crc32(crc, pixel.values, MODEL_CHANNELS); /* one pixel a call: in between, do other work */
    if (status != PIXELRNN_DONE) return printf("%s\n", pixelrnn_error_string(status)), 1;
    printf("crc=%08" PRIx32 " cost=%" PRIu64 "\n", crc, drawn + scored + completed);
    return 0;
}
