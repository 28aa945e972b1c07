/* C interface of pixelrnn. docs/c.md is the guide. Made from bindings/c/src by cbindgen: `UPDATE=1 cargo test --test header`.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */

#ifndef PIXELRNN_H
#define PIXELRNN_H

#include <stddef.h>
#include <stdint.h>

struct pixelrnn_source; /* A callback of a source gets the source. */

// End of the compressed bytes.
#define PIXELRNN_END 256

// Label of an image of a model without classes.
#define PIXELRNN_NO_LABEL -1

// Temperature 1, the model's own predictions, in thousandths.
#define PIXELRNN_TEMPERATURE_ONE 1000

// Result of a function: `PIXELRNN_OK`, `PIXELRNN_DONE` or an error, which is negative.
//
// The codes of the library lie above -1000. Callbacks may return codes of their own from -1000 down, which the function that called
// them passes on.
typedef int32_t pixelrnn_status;

// An engine: computes one pixel a call. Its members are the library's.
//
// Reserve it and its state as `static` variables or on the stack. Engines may share a model, each needs a state of its own. An engine
// may be copied; only one of the copies may be used from then on, since both have the same state.
typedef struct pixelrnn_engine {
    size_t opaque[16];
} pixelrnn_engine;

// Takes the next compressed byte and returns `PIXELRNN_OK`. Negative answers stop the encoder and are passed on.
typedef pixelrnn_status (*pixelrnn_put)(void *context, uint8_t byte);

// Returns the next compressed byte, 0 to 255, or `PIXELRNN_END` at the end. Negative answers stop the decoder and are passed on.
typedef int32_t (*pixelrnn_get)(void *context);

// What an error is about. Members that do not apply to the status are 0.
typedef struct pixelrnn_detail {
    // Name of the field or feature, or null. It does not end with a zero: print it as `printf("%.*s", (int)field_bytes, field)`.
    const char *field;
    // Length of `field` in bytes.
    size_t field_bytes;
    // Size, length or number that is needed: words for `PIXELRNN_ERROR_BUFFER`, bytes for lengths and sizes.
    uint64_t needed;
    // Size, length or number that was there: words, bytes, or the version of a model.
    uint64_t got;
    // Index of the op, from 0, for `PIXELRNN_ERROR_MODEL_OP`.
    uint32_t op;
    // The error, or `PIXELRNN_OK`.
    pixelrnn_status status;
} pixelrnn_detail;

// Sizes of a model.
typedef struct pixelrnn_model {
    // Number that names the model in compressed files, the same for all layouts of its weights.
    uint64_t identity;
    // State that an engine needs, in words of four bytes.
    size_t state_words;
    // Values of an image: channels * height * width.
    size_t values;
    // Rows of an image.
    uint32_t height;
    // Columns of an image.
    uint32_t width;
    // 1, or 3 for R, G, B.
    uint32_t channels;
    // Levels of a value, 2 to 256: values are 0 to levels - 1.
    uint32_t levels;
    // Classes; 0 for a model without labels.
    uint32_t classes;
} pixelrnn_model;

// Prediction of one value, valid during the callback.
typedef struct pixelrnn_prediction {
    // Frequency of each level, at least 1; their sum is 2^24.
    const uint32_t *frequencies;
    // Number of levels.
    uint32_t levels;
    // Row of the value, from the top.
    uint32_t row;
    // Column of the value, from the left.
    uint32_t column;
    // Channel of the value: 0, or 0, 1, 2 for R, G, B.
    uint32_t channel;
    // Place of the value in an image that lies channel by channel, row by row.
    size_t index;
} pixelrnn_prediction;

// Supplies the next value: writes it to `value`, below `prediction->levels`, and returns `PIXELRNN_OK`.
//
// Any other answer stops the engine at this pixel. Negative ones are passed on: `PIXELRNN_ERROR_OWN` and below are the program's.
typedef pixelrnn_status (*pixelrnn_next)(struct pixelrnn_source *source, const struct pixelrnn_prediction *prediction, uint8_t *value);

// Supplies the values of an image, given the model's predictions. Made by a function `pixelrnn_source_…`.
//
// Between two pixels it may be copied, and saved together with an engine.
typedef struct pixelrnn_source {
    // Function that supplies a value.
    pixelrnn_next next;
    // In a callback of the program: what `pixelrnn_source_callback` was given.
    void *context;
    // The library's: a given image.
    const uint8_t *image;
    // The library's: length of that image.
    size_t image_bytes;
    // The library's: given rows of that image.
    size_t rows;
    // The library's: random numbers.
    uint32_t random[5];
    // Temperature of the predictions, in thousandths.
    uint32_t temperature;
} pixelrnn_source;

// A finished pixel.
typedef struct pixelrnn_pixel {
    // Negative log-likelihood of the values at the source's temperature, in units of 2^-24 bit.
    uint64_t cost;
    // Row, from the top.
    uint32_t row;
    // Column, from the left.
    uint32_t column;
    // Values of the channels; those that the model does not have are 0.
    uint8_t values[3];
} pixelrnn_pixel;

// Writes values to a callback, at the cost of their predictions. Its members are the library's.
typedef struct pixelrnn_encoder {
    uint64_t opaque[8];
} pixelrnn_encoder;

// Reads the values of an encoder from a callback. Its members are the library's.
typedef struct pixelrnn_decoder {
    uint64_t opaque[8];
} pixelrnn_decoder;

// Success.
#define PIXELRNN_OK 0

// All pixels of the image are done.
#define PIXELRNN_DONE 1

// A pointer is null.
#define PIXELRNN_ERROR_NULL -1

// A pointer is not aligned to its type.
#define PIXELRNN_ERROR_ALIGNMENT -2

// A length is impossible on this machine: the memory would exceed the address space.
#define PIXELRNN_ERROR_LENGTH -3

// Two memories overlap that must not.
#define PIXELRNN_ERROR_OVERLAP -4

// The engine, source, encoder or decoder was not initialised.
#define PIXELRNN_ERROR_NOT_INITIALISED -5

// A temperature is not 10 to 100000 thousandths.
#define PIXELRNN_ERROR_TEMPERATURE -6

// The state buffer is too small; the detail has both sizes, in words.
#define PIXELRNN_ERROR_BUFFER -7

// The label does not fit the model: no such class, or a label is missing, or the model has no classes.
#define PIXELRNN_ERROR_LABEL -8

// The position to resume at lies beyond the image.
#define PIXELRNN_ERROR_POSITION -9

// The memory of an image has fewer values than the model's images.
#define PIXELRNN_ERROR_IMAGE_TOO_SHORT -10

// A value is not a level of the model.
#define PIXELRNN_ERROR_VALUE -11

// A callback returned a positive code.
#define PIXELRNN_ERROR_CALLBACK -12

// A sum of a float model is not finite.
#define PIXELRNN_ERROR_NOT_FINITE -13

// The model changed after it was checked.
#define PIXELRNN_ERROR_CORRUPT -14

// The engine is inside of a call: a callback used it.
#define PIXELRNN_ERROR_BUSY -15

// The engine answered with an error that this library has no code for.
#define PIXELRNN_ERROR_UNSUPPORTED -16

// Model: shorter than a header.
#define PIXELRNN_ERROR_MODEL_TOO_SHORT -100

// Model: not aligned to four bytes.
#define PIXELRNN_ERROR_MODEL_ALIGNMENT -101

// Model: the first bytes are not `PRNN`.
#define PIXELRNN_ERROR_MODEL_MAGIC -102

// Model: a version that this library does not read.
#define PIXELRNN_ERROR_MODEL_VERSION -103

// Model: its header has another length; the detail has both.
#define PIXELRNN_ERROR_MODEL_LENGTH -104

// Model: damaged.
#define PIXELRNN_ERROR_MODEL_CHECKSUM -105

// Model: needs a part of the engine that this library was built without; the detail names it.
#define PIXELRNN_ERROR_MODEL_FEATURE -106

// Model: a field of the header is out of range; the detail names it.
#define PIXELRNN_ERROR_MODEL_HEADER -107

// Model: a field of an op is out of range; the detail names both.
#define PIXELRNN_ERROR_MODEL_OP -108

// Model: its header has another state size than its ops need; the detail has both, in bytes.
#define PIXELRNN_ERROR_MODEL_STATE -109

// Model: too many multiply-adds a pixel.
#define PIXELRNN_ERROR_MODEL_WORK -110

// Compressed file: the first bytes are not `PRNZ`.
#define PIXELRNN_ERROR_FILE_MAGIC -200

// Compressed file: a version that this library does not read.
#define PIXELRNN_ERROR_FILE_VERSION -201

// Compressed file: the header is damaged.
#define PIXELRNN_ERROR_FILE_HEADER -202

// Compressed file: made with another model.
#define PIXELRNN_ERROR_FILE_MODEL -203

// Compressed file: ends early.
#define PIXELRNN_ERROR_FILE_TRUNCATED -204

// Compressed file: has another number of images than 1.
#define PIXELRNN_ERROR_FILE_IMAGES -205

// Compressed file or stream: none that an encoder writes.
#define PIXELRNN_ERROR_FILE_CORRUPT -206

// Compressed file: the checksum of the image does not match.
#define PIXELRNN_ERROR_FILE_CHECKSUM -207

// First of the codes that callbacks may return as their own, downwards.
#define PIXELRNN_ERROR_OWN -1000

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// Compresses an image to a file: header, label, stream and checksum. `pixelrnn decompress` reads it on a computer.
//
// The engine is at the first pixel afterwards, with this label.
//
// @param label   class of the image, or `PIXELRNN_NO_LABEL`
// @param image   `bytes` values, channel by channel, row by row
// @param put     takes the bytes of the file, one a call
// @param cost    receives the cost of the image, in units of 2^-24 bit; may be null
//
// Requires:
// `engine` is an engine, or all zeros; `image` points to that many values; `put` is a function of that type.
pixelrnn_status pixelrnn_compress(struct pixelrnn_engine *engine,
                                  int32_t label,
                                  const uint8_t *image,
                                  size_t bytes,
                                  pixelrnn_put put,
                                  void *context,
                                  uint64_t *cost);

// Restores the image of a file of one image. It asks for no byte after the file's last one.
//
// The checksum is verified at the end: after an error `image` holds values that mean nothing.
//
// @param get     returns the bytes of the file, one a call
// @param image   receives the values, channel by channel, row by row; `bytes` at least `values` of the model
// @param label   receives the class of the image, or `PIXELRNN_NO_LABEL`; may be null
//
// Requires:
// `engine` is an engine, or all zeros; `image` points to that many values, which may be written; `get` is a function of that type.
pixelrnn_status pixelrnn_decompress(struct pixelrnn_engine *engine,
                                    pixelrnn_get get,
                                    void *context,
                                    uint8_t *image,
                                    size_t bytes,
                                    int32_t *label);

// Makes an engine at the first pixel of an image. It checks the model, as `pixelrnn_model_check` does.
//
// A model with classes wants `pixelrnn_engine_restart` with a label before its first pixel.
//
// @param engine receives the engine
// @param blob   the model, `bytes` long; unchanged and in place as long as the engine is used
// @param state  `words` words of four bytes, at least `state_words` of the model, whose content does not matter. They are the engine's
//               until it is no longer used; a program may read them between two calls, to save the image
// @param detail receives what an error is about; may be null
//
// Requires:
// The pointers point to that many bytes and words.
pixelrnn_status pixelrnn_engine_init(struct pixelrnn_engine *engine,
                                     const void *blob,
                                     size_t bytes,
                                     uint32_t *state,
                                     size_t words,
                                     struct pixelrnn_detail *detail);

// Returns to the first pixel, for another image. The state needs no clearing.
//
// @param label class of the image, or `PIXELRNN_NO_LABEL` for a model without classes
//
// Requires:
// `engine` is an engine, or all zeros.
pixelrnn_status pixelrnn_engine_restart(struct pixelrnn_engine *engine, int32_t label);

// Resumes an image after `position` pixels. The state holds what it held then, on this machine or another one.
//
// The program saves the state, the label, the position and the source. Another content gives a wrong image and no other harm.
//
// Requires:
// `engine` is an engine, or all zeros.
pixelrnn_status pixelrnn_engine_resume(struct pixelrnn_engine *engine, int32_t label, size_t position);

// Sizes of the engine's model.
//
// Requires:
// `engine` is an engine, or all zeros; `model` may be written.
pixelrnn_status pixelrnn_engine_model(const struct pixelrnn_engine *engine, struct pixelrnn_model *model);

// Number of finished pixels; 0 for a pointer that is no engine.
//
// Requires:
// `engine` is an engine, or all zeros.
size_t pixelrnn_engine_position(const struct pixelrnn_engine *engine);

// Computes the next pixel: predicts its values and takes each from `source`.
//
// Returns `PIXELRNN_OK` with a pixel and `PIXELRNN_DONE` after the last one. After an error the engine is at the same pixel.
//
// Requires:
// `engine` is an engine, or all zeros; `source` is a source, or all zeros; `pixel` may be written.
pixelrnn_status pixelrnn_engine_step(struct pixelrnn_engine *engine, struct pixelrnn_source *source, struct pixelrnn_pixel *pixel);

// Computes a whole image, from the first pixel on.
//
// @param label  class of the image, or `PIXELRNN_NO_LABEL`
// @param image  receives the values, channel by channel, row by row; `bytes` at least `values` of the model. May be null if `bytes`
//               is 0: nothing is stored. A source may read the same memory: every value is read before it is written
// @param cost   receives the cost of the image, in units of 2^-24 bit; may be null
//
// Requires:
// As for `pixelrnn_engine_step`; `image` and `cost` may be written.
pixelrnn_status pixelrnn_engine_run(struct pixelrnn_engine *engine,
                                    int32_t label,
                                    struct pixelrnn_source *source,
                                    uint8_t *image,
                                    size_t bytes,
                                    uint64_t *cost);

// Checks a model completely, from its checksum to its last field, and gives its sizes.
//
// The bytes may come from anywhere; what is wrong with them is an error and nothing else. They begin at a multiple of four bytes.
//
// @param blob   the model, `bytes` long
// @param model  receives the sizes; may be null
// @param detail receives what an error is about; may be null
//
// Requires:
// `blob` points to that many bytes. The others are null or may be written.
pixelrnn_status pixelrnn_model_check(const void *blob, size_t bytes, struct pixelrnn_model *model, struct pixelrnn_detail *detail);

// Source by a callback of the program, such as random numbers of its own or values from a wire.
//
// @param context     what the callback finds as `source->context`; may be null
// @param temperature of the predictions, 10 to 100000 thousandths: `PIXELRNN_TEMPERATURE_ONE` is the model's own
//
// Requires:
// `source` may be written. `next` is a function of that type.
pixelrnn_status pixelrnn_source_callback(struct pixelrnn_source *source, pixelrnn_next next, void *context, uint32_t temperature);

// Source that draws at random; the same images for the same seed on every machine.
//
// @param temperature 10 to 100000 thousandths: below `PIXELRNN_TEMPERATURE_ONE` images become more alike, above more random
//
// Requires:
// `source` may be written.
pixelrnn_status pixelrnn_source_draw(struct pixelrnn_source *source, uint64_t seed, uint32_t temperature);

// Source of the most probable values.
//
// Requires:
// `source` may be written.
pixelrnn_status pixelrnn_source_most_probable(struct pixelrnn_source *source);

// Source that keeps the first `rows` rows of an image and draws the others at random.
//
// @param image `bytes` values, channel by channel, row by row; in place as long as the source is used
//
// Requires:
// `source` may be written; `image` points to that many values.
pixelrnn_status pixelrnn_source_complete(struct pixelrnn_source *source,
                                         const uint8_t *image,
                                         size_t bytes,
                                         size_t rows,
                                         uint64_t seed,
                                         uint32_t temperature);

// Source of the values of an image: the costs of its pixels are the image's exact negative log-likelihood.
//
// @param image `bytes` values, channel by channel, row by row; in place as long as the source is used
//
// Requires:
// `source` may be written; `image` points to that many values.
pixelrnn_status pixelrnn_source_score(struct pixelrnn_source *source, const uint8_t *image, size_t bytes);

// Value whose part of the frequencies holds `point`, 0 to 2^24 - 1: draws with random numbers of the program's own. 0 for a null
// pointer.
//
// Requires:
// `prediction` is null or what a callback was given.
uint8_t pixelrnn_prediction_find(const struct pixelrnn_prediction *prediction, uint32_t point);

// English text of a status, without a full stop; never null.
const char *pixelrnn_error_string(pixelrnn_status status);

// Begins a stream that goes to `put`.
//
// Requires:
// `encoder` may be written. `put` is a function of that type.
pixelrnn_status pixelrnn_encoder_init(struct pixelrnn_encoder *encoder, pixelrnn_put put, void *context);

// Ends the stream: writes its last bytes. The encoder has to be initialised again for another stream.
//
// Requires:
// `encoder` is an encoder, or all zeros.
pixelrnn_status pixelrnn_encoder_finish(struct pixelrnn_encoder *encoder);

// Source that writes an image to an encoder. Call `pixelrnn_encoder_finish` after the last image of the stream.
//
// The label is not written: a reader has to know it, as it has to know the model. If the callback of the encoder fails, the stream is
// lost.
//
// @param encoder in place as long as the source is used
// @param image   `bytes` values, channel by channel, row by row; in place as long as the source is used
//
// Requires:
// `source` may be written; `encoder` is an encoder; `image` points to that many values.
pixelrnn_status pixelrnn_source_encode(struct pixelrnn_source *source,
                                       struct pixelrnn_encoder *encoder,
                                       const uint8_t *image,
                                       size_t bytes);

// Begins to read a stream: asks `get` for its first seven bytes.
//
// Requires:
// `decoder` may be written. `get` is a function of that type.
pixelrnn_status pixelrnn_decoder_init(struct pixelrnn_decoder *decoder, pixelrnn_get get, void *context);

// Source of the values of a decoder.
//
// A stream has no checksum: damaged bytes may give another image. `pixelrnn_decompress` reads files, which have one.
//
// @param decoder in place as long as the source is used
//
// Requires:
// `source` may be written; `decoder` is a decoder.
pixelrnn_status pixelrnn_source_decode(struct pixelrnn_source *source, struct pixelrnn_decoder *decoder);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* PIXELRNN_H */
