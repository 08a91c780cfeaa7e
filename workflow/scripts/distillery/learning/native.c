/* Batch norm with the addition and the activation after it, and max-pooling, for a processor. `native.py` compiles it.

Activations lie channels last: memory is a matrix [rows, channels], and what differs by channel repeats every `channels`
numbers. Loops go over `width` numbers at a time, the first multiple of `channels` that fills whole vector registers:
with 24 channels they are as full as with 32. Numbers are float32, or bfloat16 (`half`), all arithmetic is in float32.

Rows are summed in `chunks` whose number depends on the shape alone: any number of threads gives the same bits.
*/

#include <math.h>
#include <stdint.h>
#include <string.h>

enum { NONE, RELU, GELU };

/* Loops are written once and compiled for every activation, with a residual and without, in both kinds of numbers. What
   is decided within a loop would cost: a load that its mask leaves out, of no address, takes an interrupt's time. */
#define INLINE static inline __attribute__((always_inline))
#define BY_ACTIVATION(KERNEL, residual, half) \
    switch (activation) { \
    case NONE: KERNEL(NONE, residual, half); break; \
    case RELU: KERNEL(RELU, residual, half); break; \
    default: KERNEL(GELU, residual, half); \
    }
#define BY_RESIDUAL(KERNEL, half) \
    if (residual) { BY_ACTIVATION(KERNEL, residual, half) } else { BY_ACTIVATION(KERNEL, NULL, half) }
#define SPECIALISED(KERNEL) \
    if (half) { BY_RESIDUAL(KERNEL, 1) } else { BY_RESIDUAL(KERNEL, 0) }

/* --- numbers --------------------------------------------------------------------------------------------------- */

INLINE float from_bits(uint32_t bits) { float x; memcpy(&x, &bits, sizeof x); return x; }
INLINE uint32_t to_bits(float x) { uint32_t bits; memcpy(&bits, &x, sizeof bits); return bits; }

INLINE float load(const void *from, int64_t i, int half) {
    return half ? from_bits((uint32_t)((const uint16_t *)from)[i] << 16) : ((const float *)from)[i];
}

INLINE void store(void *to, int64_t i, float x, int half) {
    if (!half) {
        ((float *)to)[i] = x;
        return;
    }
    uint32_t bits = to_bits(x), nearest_even = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
    ((uint16_t *)to)[i] = x != x ? 0x7fc0 : nearest_even;
}

/* Asks for `numbers` two kilobytes from here. While it computes, a processor's own foresight does not reach far enough:
   kernels took up to three times as long. Past the end of memory, nothing is fetched and nothing happens. */
INLINE void ask_ahead(const void *from, int64_t i, int64_t numbers, int half) {
    const int64_t size = half ? 2 : 4, line = 64;
    const char *ahead = (const char *)from + i * size + 2048;
    for (int64_t at = 0; at < numbers * size; at += line) __builtin_prefetch(ahead + at);
}

/* exp(x) of x <= 0, to 2e-7 of itself: 2^n times a Taylor polynomial on half a power of two. */
INLINE float exp_of_negative(float x) {
    const float to_integer = 12582912.0f;  // 1.5 * 2^23: adding it leaves an integer in the lowest bits
    x = x < -87.0f ? -87.0f : x;
    float shifted = x * 1.44269504f + to_integer, n = shifted - to_integer;
    float r = x - n * 0.693359375f + n * 2.12194440e-4f;  // ln 2 in two parts
    float p = 1 + r * (1 + r * (1.0f / 2 + r * (1.0f / 6 + r * (1.0f / 24 + r * (1.0f / 120 + r * (1.0f / 720))))));
    return p * from_bits((to_bits(shifted) - to_bits(to_integer) + 127) << 23);
}

/* The standard normal distribution at z: its density, and what lies below z, to 1e-7 (Abramowitz and Stegun, 7.1.26). */
INLINE float below(float z, float *density) {
    float e = exp_of_negative(-0.5f * z * z), t = 1 / (1 + 0.23164189f * fabsf(z));
    float tail = 0.127414796f + t * (-0.142248368f + t * (0.710706871f + t * (-0.726576014f + t * 0.530702716f)));
    tail *= e * t;
    *density = 0.39894228f * e;
    return z < 0 ? tail : 1 - tail;
}

INLINE float activated(float z, int activation) {
    float density;
    if (activation == GELU) return z * below(z, &density);
    return activation == RELU && z < 0 ? 0 : z;  // what is not a number stays so
}

INLINE float slope(float z, int activation) {
    float density;
    if (activation == GELU) {
        float share = below(z, &density);
        return share + z * density;
    }
    return activation == RELU && z <= 0 ? 0 : 1;
}

/* --- batch norm ------------------------------------------------------------------------------------------------ */

/* A matrix, and scratch for both sums over its rows and five numbers a column. */
typedef struct {
    int64_t rows, channels, width, total, per_chunk, chunks;
    double *sums;                                           // [2, width]
    float *centre, *scale, *shift, *steepness, *offset;     // [width] each
    float *partial;                                         // [chunks, 2, width]
} Matrix;

static Matrix matrix(double *scratch, int64_t rows, int64_t channels, int64_t width, int64_t chunks) {
    Matrix m = {rows, channels, width, rows * channels, 0, chunks, scratch};
    int64_t wide = (m.total + width - 1) / width;
    m.per_chunk = (wide + chunks - 1) / chunks * width;
    m.centre = (float *)(scratch + 2 * width);
    m.scale = m.centre + width;
    m.shift = m.scale + width;
    m.steepness = m.shift + width;
    m.offset = m.steepness + width;
    m.partial = m.offset + width;
    return m;
}

/* The numbers of one chunk: [first_of, end_of). */
INLINE int64_t first_of(const Matrix *m, int64_t chunk) { return chunk * m->per_chunk; }
INLINE int64_t end_of(const Matrix *m, int64_t chunk) {
    int64_t end = first_of(m, chunk + 1);
    return end < m->total ? end : m->total;
}

/* sums[0, c] and sums[1, c]: both sums of each channel, over chunks and over the columns that are of the channel. */
static void add_up(const Matrix *m) {
    memset(m->sums, 0, 2 * m->width * sizeof(double));
    for (int64_t chunk = 0; chunk < m->chunks; chunk++)
        for (int64_t i = 0; i < 2 * m->width; i++) m->sums[i] += m->partial[chunk * 2 * m->width + i];
    for (int64_t j = m->channels; j < m->width; j++) {
        m->sums[j % m->channels] += m->sums[j];
        m->sums[m->width + j % m->channels] += m->sums[m->width + j];
    }
}

/* What is known of a column once its channel's mean and rstd are. */
static void set_columns(const Matrix *m, const float *weight, const float *bias, const float *mean, const float *rstd) {
    for (int64_t j = 0; j < m->width; j++) {
        int64_t c = j % m->channels;
        m->centre[j] = mean[c];
        m->scale[j] = weight[c] * rstd[c];
        m->shift[j] = bias[c] - mean[c] * m->scale[j];
    }
}

/* Numbers [at, at + inside) of a chunk are columns 0 to inside: all, but in what may be left over of the last rows. */
#define EACH_WIDE_ROW(m, chunk) \
    for (int64_t at = first_of(m, chunk), end = end_of(m, chunk), inside; \
         (inside = end - at < m->width ? end - at : m->width) > 0; at += m->width)

/* Sums and sums of squares of what is left after `centre` is taken off: near the mean, few digits are lost. */
INLINE void sum_forward(const Matrix *m, int64_t chunk, const void *x, int half) {
    float *sum = m->partial + chunk * 2 * m->width, *squares = sum + m->width;
    const float *centre = m->centre;
    memset(sum, 0, 2 * m->width * sizeof(float));
    EACH_WIDE_ROW(m, chunk) {
        ask_ahead(x, at, m->width, half);
        #pragma omp simd
        for (int64_t j = 0; j < inside; j++) {
            float value = load(x, at + j, half) - centre[j];
            sum[j] += value;
            squares[j] += value * value;
        }
    }
}

INLINE void map_forward(const Matrix *m, int64_t chunk, const void *x, const void *residual, void *y, int activation,
                        int half) {
    const float *scale = m->scale, *shift = m->shift;
    EACH_WIDE_ROW(m, chunk) {
        ask_ahead(x, at, m->width, half);
        if (residual) ask_ahead(residual, at, m->width, half);
        #pragma omp simd
        for (int64_t j = 0; j < inside; j++) {
            float z = load(x, at + j, half) * scale[j] + shift[j];
            if (residual) z += load(residual, at + j, half);
            store(y, at + j, activated(z, activation), half);
        }
    }
}

/* y = activation((x - mean) * rstd * weight + bias + residual), mean and rstd being those of the batch. */
void norm_forward(const void *x, const void *residual, void *y, const float *weight, const float *bias, float *mean,
                  float *rstd, float *running_mean, float *running_var, double *scratch, int64_t rows, int64_t channels,
                  int64_t width, int64_t chunks, double momentum, double eps, int activation, int half, int threads) {
    const Matrix of_x = matrix(scratch, rows, channels, width, chunks), *m = &of_x;
    const int64_t some = rows < 16 ? rows : 16;  // rows, spread over the matrix, whose mean is near that of all
    for (int64_t j = 0; j < width; j++) {
        m->centre[j] = 0;
        for (int64_t i = 0; i < some; i++) m->centre[j] += load(x, i * rows / some * channels + j % channels, half) / some;
    }
    #pragma omp parallel num_threads(threads)
    {
        #pragma omp for schedule(static)
        for (int64_t chunk = 0; chunk < chunks; chunk++)
            if (half) sum_forward(m, chunk, x, 1);
            else sum_forward(m, chunk, x, 0);

        #pragma omp single
        {
            add_up(m);
            for (int64_t c = 0; c < channels; c++) {
                double off = m->sums[c] / rows, variance = m->sums[width + c] / rows - off * off;
                variance = variance < 0 ? 0 : variance;
                mean[c] = m->centre[c] + off;
                rstd[c] = 1 / sqrt(variance + eps);
                running_mean[c] += momentum * (mean[c] - running_mean[c]);
                running_var[c] += momentum * (variance * rows / (rows - 1) - running_var[c]);
            }
            set_columns(m, weight, bias, mean, rstd);
        }

        #define MAP(activation, residual, half) map_forward(m, chunk, x, residual, y, activation, half)
        #pragma omp for schedule(static)
        for (int64_t chunk = 0; chunk < chunks; chunk++) { SPECIALISED(MAP) }
        #undef MAP
    }
}

/* x = activation(x * scale + shift + residual) in place; scale and shift by channel, or NULL for neither. */
void activate(void *x, const void *residual, const float *scale, const float *shift, double *scratch, int64_t rows,
              int64_t channels, int64_t width, int64_t chunks, int activation, int half, int threads) {
    const Matrix of_x = matrix(scratch, rows, channels, width, chunks), *m = &of_x;
    for (int64_t j = 0; j < width; j++) {
        m->scale[j] = scale ? scale[j % channels] : 1;
        m->shift[j] = shift ? shift[j % channels] : 0;
    }
    #define MAP(activation, residual, half) map_forward(m, chunk, x, residual, x, activation, half)
    #pragma omp parallel for schedule(static) num_threads(threads)
    for (int64_t chunk = 0; chunk < chunks; chunk++) { SPECIALISED(MAP) }
    #undef MAP
}

/* The gradient before the activation, dz, and the sums of dz and of dz * (x - mean). */
INLINE void sum_backward(const Matrix *m, int64_t chunk, const void *x, const void *dy, const void *residual, void *dz,
                         int activation, int half) {
    float *sum = m->partial + chunk * 2 * m->width, *products = sum + m->width;
    const float *centre = m->centre, *scale = m->scale, *shift = m->shift;
    memset(sum, 0, 2 * m->width * sizeof(float));
    EACH_WIDE_ROW(m, chunk) {
        ask_ahead(x, at, m->width, half);
        ask_ahead(dy, at, m->width, half);
        if (residual) ask_ahead(residual, at, m->width, half);
        #pragma omp simd
        for (int64_t j = 0; j < inside; j++) {
            float value = load(x, at + j, half), gradient = load(dy, at + j, half);
            if (activation != NONE) {
                float z = value * scale[j] + shift[j];
                if (residual) z += load(residual, at + j, half);
                gradient *= slope(z, activation);
                store(dz, at + j, gradient, half);
            }
            sum[j] += gradient;
            products[j] += gradient * (value - centre[j]);
        }
    }
}

INLINE void map_backward(const Matrix *m, int64_t chunk, const void *x, const void *dz, void *dx, int half) {
    const float *centre = m->centre, *scale = m->scale, *steepness = m->steepness, *offset = m->offset;
    EACH_WIDE_ROW(m, chunk) {
        ask_ahead(x, at, m->width, half);
        ask_ahead(dz, at, m->width, half);
        #pragma omp simd
        for (int64_t j = 0; j < inside; j++) {
            float value = load(x, at + j, half), gradient = load(dz, at + j, half);
            store(dx, at + j, scale[j] * gradient - steepness[j] * (value - centre[j]) - offset[j], half);
        }
    }
}

/* dx = weight * rstd * (dz - mean(dz) - xhat * mean(dz * xhat)), xhat being (x - mean) * rstd; dbias = sum(dz),
   dweight = sum(dz * xhat). dz may be dx, and is dy where there is no activation. */
void norm_backward(const void *x, const void *dy, const void *residual, void *dz, void *dx, const float *weight,
                   const float *bias, const float *mean, const float *rstd, float *dweight, float *dbias,
                   double *scratch, int64_t rows, int64_t channels, int64_t width, int64_t chunks, int activation,
                   int half, int threads) {
    const Matrix of_x = matrix(scratch, rows, channels, width, chunks), *m = &of_x;
    set_columns(m, weight, bias, mean, rstd);
    #pragma omp parallel num_threads(threads)
    {
        #define SUM(activation, residual, half) sum_backward(m, chunk, x, dy, residual, dz, activation, half)
        #pragma omp for schedule(static)
        for (int64_t chunk = 0; chunk < chunks; chunk++) { SPECIALISED(SUM) }
        #undef SUM

        #pragma omp single
        {
            add_up(m);
            for (int64_t c = 0; c < channels; c++) {
                dbias[c] = m->sums[c];
                dweight[c] = m->sums[width + c] * rstd[c];
            }
            for (int64_t j = 0; j < width; j++) {
                int64_t c = j % channels;
                m->steepness[j] = m->scale[j] * rstd[c] * dweight[c] / rows;
                m->offset[j] = m->scale[j] * dbias[c] / rows;
            }
        }

        #pragma omp for schedule(static)
        for (int64_t chunk = 0; chunk < chunks; chunk++)
            if (half) map_backward(m, chunk, x, dz, dx, 1);
            else map_backward(m, chunk, x, dz, dx, 0);
    }
}

/* --- max-pooling of 2 x 2 places ------------------------------------------------------------------------------- */

/* The greatest of four, and which it was, of two lines of a picture: the first of equals, and what is not a number. */
INLINE void pool_lines(const void *upper, const void *lower, void *y, uint8_t *which, int64_t width, int64_t channels,
                       int half) {
    for (int64_t place = 0; place < width; place++) {
        const int64_t left = 2 * place * channels, right = left + channels, out = place * channels;
        ask_ahead(upper, left, 2 * channels, half);
        ask_ahead(lower, left, 2 * channels, half);
        #pragma omp simd
        for (int64_t c = 0; c < channels; c++) {
            float greatest = load(upper, left + c, half), second = load(upper, right + c, half);
            float third = load(lower, left + c, half), fourth = load(lower, right + c, half);
            uint32_t found = 0;
            if (second > greatest || second != second) greatest = second, found = 1;
            if (third > greatest || third != third) greatest = third, found = 2;
            if (fourth > greatest || fourth != fourth) greatest = fourth, found = 3;
            store(y, out + c, greatest, half);
            which[out + c] = found;
        }
    }
}

/* x [pictures, height, width, channels] to y [pictures, height / 2, width / 2, channels]; `which` is as large as y. */
void pool_forward(const char *x, char *y, uint8_t *which, int64_t pictures, int64_t height, int64_t width,
                  int64_t channels, int half, int threads) {
    const int64_t h = height / 2, w = width / 2, size = half ? 2 : 4, line = width * channels * size;
    #pragma omp parallel for schedule(static) num_threads(threads)
    for (int64_t row = 0; row < pictures * h; row++) {
        const char *upper = x + (row / h * height + row % h * 2) * line;
        char *out = y + row * w * channels * size;
        if (half) pool_lines(upper, upper + line, out, which + row * w * channels, w, channels, 1);
        else pool_lines(upper, upper + line, out, which + row * w * channels, w, channels, 0);
    }
}

/* Each gradient to the place it came from, 0 to the other three. Nothing is computed, so that bits will do. */
#define SPREAD_LINES(NAME, BITS) \
    INLINE void NAME(const BITS *dy, const uint8_t *which, BITS *upper, BITS *lower, int64_t width, \
                     int64_t channels) { \
        for (int64_t place = 0; place < width; place++) { \
            const int64_t left = 2 * place * channels, right = left + channels, out = place * channels; \
            _Pragma("omp simd") \
            for (int64_t c = 0; c < channels; c++) { \
                BITS gradient = dy[out + c]; \
                uint8_t found = which[out + c]; \
                upper[left + c] = found == 0 ? gradient : 0; \
                upper[right + c] = found == 1 ? gradient : 0; \
                lower[left + c] = found == 2 ? gradient : 0; \
                lower[right + c] = found == 3 ? gradient : 0; \
            } \
        } \
    }
SPREAD_LINES(spread_lines_16, uint16_t)
SPREAD_LINES(spread_lines_32, uint32_t)

void pool_backward(const char *dy, const uint8_t *which, char *dx, int64_t pictures, int64_t height, int64_t width,
                   int64_t channels, int half, int threads) {
    const int64_t h = height / 2, w = width / 2, pixel = channels * (half ? 2 : 4), line = width * pixel;
    #pragma omp parallel for schedule(static) num_threads(threads)
    for (int64_t row = 0; row < pictures * h; row++) {
        char *upper = dx + (row / h * height + row % h * 2) * line, *lower = upper + line;
        const char *gradients = dy + row * w * pixel;
        const uint8_t *places = which + row * w * channels;
        if (half) spread_lines_16((void *)gradients, places, (void *)upper, (void *)lower, w, channels);
        else spread_lines_32((void *)gradients, places, (void *)upper, (void *)lower, w, channels);
        // what is left over of an odd picture
        if (width % 2) {
            memset(upper + line - pixel, 0, pixel);
            memset(lower + line - pixel, 0, pixel);
        }
        if (height % 2 && row % h == h - 1) memset(lower + line, 0, line);
    }
}
