// Draws a digit in C++, with a source of the program's own, and restores it from a bare stream: needs the release folder and a C++
// compiler, and no C++ library.
#include "model.h"
#include "pixelrnn.h"
#include <inttypes.h>
#include <stdio.h>

static uint32_t state[MODEL_STATE_WORDS];
static uint8_t image[MODEL_VALUES], restored[MODEL_VALUES];

struct Crc32 {
    uint32_t crc = ~uint32_t{0};
    void add(const uint8_t *bytes, size_t count) {
        for (size_t at = 0; at < count; at++) {
            crc ^= bytes[at];
            for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
        }
    }
};

struct Stream {
    uint8_t bytes[MODEL_VALUES + 16] = {};
    size_t written = 0, read = 0;
    static pixelrnn_status put(void *context, uint8_t byte) {
        Stream &self = *static_cast<Stream *>(context);
        if (self.written == sizeof self.bytes) return PIXELRNN_ERROR_OWN;
        self.bytes[self.written++] = byte;
        return PIXELRNN_OK;
    }
    static int32_t get(void *context) {
        Stream &self = *static_cast<Stream *>(context);
        return self.read < self.written ? self.bytes[self.read++] : PIXELRNN_END;
    }
};
static Stream stream;

// Keeps the upper half of the image and passes the rest to a ready source.
struct Lower {
    pixelrnn_source draw;
    static pixelrnn_status next(pixelrnn_source *source, const pixelrnn_prediction *prediction, uint8_t *value) {
        Lower &self = *static_cast<Lower *>(source->context);
        if (prediction->row >= MODEL_HEIGHT / 2) return self.draw.next(&self.draw, prediction, value);
        *value = image[prediction->index];
        return PIXELRNN_OK;
    }
};

// Ends the program with the text of an error.
#define TRY(call) if (const pixelrnn_status status = (call)) return printf("%s\n", pixelrnn_error_string(status)), 1

int main() {
    const int32_t label = MODEL_CLASSES > 0 ? 0 : PIXELRNN_NO_LABEL;
    pixelrnn_engine engine;
    pixelrnn_source source;
    uint64_t drawn = 0, scored = 0, completed = 0;
    Crc32 crc;
    TRY(pixelrnn_engine_init(&engine, model_blob, MODEL_BYTES, state, MODEL_STATE_WORDS, nullptr));
    TRY(pixelrnn_source_draw(&source, 7, PIXELRNN_TEMPERATURE_ONE));
    TRY(pixelrnn_engine_run(&engine, label, &source, image, sizeof image, &drawn));
    crc.add(image, sizeof image);

    pixelrnn_encoder encoder;
    TRY(pixelrnn_encoder_init(&encoder, Stream::put, &stream));
    TRY(pixelrnn_source_encode(&source, &encoder, image, sizeof image));
    TRY(pixelrnn_engine_run(&engine, label, &source, nullptr, 0, &scored));
    TRY(pixelrnn_encoder_finish(&encoder));
    pixelrnn_decoder decoder;
    TRY(pixelrnn_decoder_init(&decoder, Stream::get, &stream));
    TRY(pixelrnn_source_decode(&source, &decoder));
    TRY(pixelrnn_engine_run(&engine, label, &source, restored, sizeof restored, nullptr));
    for (size_t at = 0; at < MODEL_VALUES; at++)
        if (restored[at] != image[at]) return puts("not restored"), 1;

    Lower lower;
    TRY(pixelrnn_source_draw(&lower.draw, 8, PIXELRNN_TEMPERATURE_ONE));
    TRY(pixelrnn_source_callback(&source, Lower::next, &lower, PIXELRNN_TEMPERATURE_ONE));
    TRY(pixelrnn_engine_restart(&engine, label));
    pixelrnn_pixel pixel;
    pixelrnn_status status;
    // One pixel a call: in between, feed the watchdog, answer a host, or sleep.
    while ((status = pixelrnn_engine_step(&engine, &source, &pixel)) == PIXELRNN_OK) {
        crc.add(pixel.values, MODEL_CHANNELS);
        completed += pixel.cost;
    }
    if (status != PIXELRNN_DONE) return printf("%s\n", pixelrnn_error_string(status)), 1;
    printf("crc=%08" PRIx32 " cost=%" PRIu64 "\n", ~crc.crc, drawn + scored + completed);
    return 0;
}
