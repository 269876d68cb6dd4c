/* What is not a pixel arrives too: as it was in the same format, translated in the other. */
#include "tests/unit/image_helpers.h"

#include <zlib.h>

enum { AFTER_JFIF = 20, AFTER_IHDR = 33, ICC_SIZE = 70000 };

static const char exif[] = "MM\0*\0\0\0\x08\0\0\0\0\0\0"; /* a TIFF block with an empty IFD */
static const char xmp[] = "<x:xmpmeta xmlns:x='adobe:ns:meta/'>caf\xc3\xa9</x:xmpmeta>";

static void put_u32(uint8_t *bytes, size_t value)
{
    for (int k = 0; k < 4; k++)
        bytes[k] = (uint8_t)(value >> (24 - 8 * k));
}

static void add_segment(Text *text, int marker, const char *name, size_t name_length,
                        const void *bytes, size_t length)
{
    const size_t stated = name_length + length + 2;
    const uint8_t head[] = {0xff, (uint8_t)marker, (uint8_t)(stated >> 8), (uint8_t)stated};

    text_add(text, head, sizeof head);
    text_add(text, name, name_length);
    text_add(text, bytes, length);
}

static void add_chunk(Text *text, const char *type, const void *bytes, size_t length)
{
    uint8_t head[8];
    uint8_t tail[4];

    put_u32(head, length);
    memcpy(head + 4, type, 4);
    put_u32(tail, crc32(crc32(0, head + 4, 4), bytes, (uInt)length));
    text_add(text, head, sizeof head);
    text_add(text, bytes, length);
    text_add(text, tail, sizeof tail);
}

static uint8_t *make_icc(const char *space)
{
    uint8_t *icc = calloc(1, ICC_SIZE);
    uint32_t seed = 1;

    assert_non_null(icc);
    for (size_t i = 128; i < ICC_SIZE; i++) { /* nothing that compresses */
        seed = seed * 1664525 + 1013904223;
        icc[i] = (uint8_t)(seed >> 24);
    }
    put_u32(icc, ICC_SIZE);
    memcpy(icc + 16, space, 4);
    memcpy(icc + 36, "acsp", 4);
    return icc;
}

/* insert puts what `text` holds into a file of `made` at `at`. */
static Encoded insert(const Picture *made, size_t at, Text *text)
{
    Encoded plain = encode(made, NULL);
    Text file = {0};
    size_t length;

    text_add(&file, plain.bytes, at);
    text_add(&file, text->data, text->length);
    text_add(&file, (uint8_t *)plain.bytes + at, plain.length - at);
    text_free(text);
    free(plain.bytes);
    length = file.length;
    return (Encoded){text_take(&file), length};
}

static Encoded jpeg_with_everything(const char *icc_space)
{
    Picture made = picture_make(IMAGE_JPEG, 40, 30, 3, 8);
    uint8_t *icc = make_icc(icc_space);
    Text text = {0};
    Encoded file;

    add_segment(&text, 0xe1, "Exif\0", 6, exif, sizeof exif - 1);
    add_segment(&text, 0xe1, "http://ns.adobe.com/xap/1.0/", 29, xmp, sizeof xmp - 1);
    add_segment(&text, 0xe1, "http://ns.adobe.com/xmp/extension/", 35, "0123456789", 10);
    add_segment(&text, 0xed, "Photoshop 3.0", 14, "8BIM and so on", 14);
    add_segment(&text, 0xe2, "ICC_PROFILE\0\2\2", 14, icc + 40000, ICC_SIZE - 40000);
    add_segment(&text, 0xe2, "ICC_PROFILE\0\1\2", 14, icc, 40000);
    add_segment(&text, 0xe2, "MPF", 4, "pointers into the old file", 26);
    add_segment(&text, 0xfe, "", 0, "a comment", 9);
    file = insert(&made, AFTER_JFIF, &text);
    ((uint8_t *)file.bytes)[13] = 1; /* density: 300 x 150 dots an inch */
    ((uint8_t *)file.bytes)[14] = 300 >> 8;
    ((uint8_t *)file.bytes)[15] = 300 & 255;
    ((uint8_t *)file.bytes)[17] = 150;
    free(icc);
    free(made.rows);
    return file;
}

static Encoded png_with_everything(const char *icc_space)
{
    Picture made = picture_make(IMAGE_PNG, 40, 30, 3, 8);
    uint8_t *icc = make_icc(icc_space);
    uint8_t compressed[ICC_SIZE + 1000] = "name\0";
    uLongf length = sizeof compressed - 6;
    Text text = {0};
    Text packet = {0};
    Encoded file;

    assert_int_equal(compress(compressed + 6, &length, icc, ICC_SIZE), Z_OK);
    add_chunk(&text, "iCCP", compressed, length + 6);
    add_chunk(&text, "eXIf", exif, sizeof exif - 1);
    add_chunk(&text, "gAMA", "\0\0\xb1\x8f", 4);
    add_chunk(&text, "sBIT", "\5\6\5", 3);
    add_chunk(&text, "pHYs", "\0\0\x2e\x23\0\0\x17\x12\1", 9); /* 300 x 150 dots an inch */
    add_chunk(&text, "bKGD", "\0\1\0\2\0\3", 6);
    add_chunk(&text, "tEXt", "Comment\0a comment", 17);
    add_chunk(&text, "tEXt", "Author\0somebody", 15);
    add_chunk(&text, "tIME", "\x07\xe9\1\2\3\4\5", 7);
    text_add(&packet, "XML:com.adobe.xmp\0\0\0\0\0", 22);
    text_add(&packet, xmp, sizeof xmp - 1);
    add_chunk(&text, "iTXt", packet.data, packet.length);
    text_free(&packet);
    add_chunk(&text, "abCd", "safe to copy", 12);
    add_chunk(&text, "abCD", "not so", 6);
    file = insert(&made, AFTER_IHDR, &text);
    free(icc);
    free(made.rows);
    return file;
}

/* recode decodes a file, all or luma only, and writes it with its metadata. */
static Encoded recode(Encoded file, ImageKind kind, bool luma)
{
    Error error = {0};
    ImageReader *reader =
        open_bytes(file.bytes, file.length, &roomy, (ImageReadOptions){luma, 0}, &error);
    ImageInfo info;
    ImageMetadata *metadata;
    Picture picture = {0};
    Encoded result;

    if (reader == NULL)
        fail_msg("%s", error.message);
    info = *image_reader_info(reader);
    info.kind = kind;
    metadata = image_take_metadata(reader);
    picture = picture_blank(&info);
    assert_int_equal(image_read_rows(reader, picture.rows, picture.stride, info.height, &error), 0);
    result = encode(&picture, metadata);
    image_close_reader(reader);
    image_metadata_free(metadata);
    free(picture.rows);
    return result;
}

static const uint8_t *find(Encoded file, const void *bytes, size_t length)
{
    return memmem(file.bytes, file.length, bytes, length);
}

#define HOLDS(file, literal) (find(file, literal, sizeof(literal) - 1) != NULL)

/* read_chunk gives the data of the first chunk of a type, or NULL. */
static const uint8_t *read_chunk(Encoded file, const char *type, size_t *length)
{
    const uint8_t *bytes = file.bytes;

    for (size_t at = 8; at + 12 <= file.length;) {
        *length = (size_t)bytes[at] << 24 | (size_t)bytes[at + 1] << 16 |
                  (size_t)bytes[at + 2] << 8 | bytes[at + 3];
        if (memcmp(bytes + at + 4, type, 4) == 0)
            return bytes + at + 8;
        at += *length + 12;
    }
    return NULL;
}

static void assert_png_holds_icc(Encoded file)
{
    uint8_t *icc = make_icc("RGB ");
    uint8_t *found = malloc(ICC_SIZE);
    uLongf size = ICC_SIZE;
    size_t length;
    const uint8_t *chunk = read_chunk(file, "iCCP", &length);
    size_t head;

    assert_non_null(chunk);
    head = strlen((const char *)chunk) + 2;
    assert_int_equal(uncompress(found, &size, chunk + head, length - head), Z_OK);
    assert_int_equal(size, ICC_SIZE);
    assert_memory_equal(found, icc, ICC_SIZE);
    free(icc);
    free(found);
}

static void assert_jpeg_holds_icc(Encoded file, size_t first_piece)
{
    uint8_t *icc = make_icc("RGB ");
    const uint8_t *first = find(file, "ICC_PROFILE\0\1\2", 14);
    const uint8_t *second = find(file, "ICC_PROFILE\0\2\2", 14);

    assert_non_null(first);
    assert_non_null(second);
    assert_memory_equal(first + 14, icc, first_piece);
    assert_memory_equal(second + 14, icc + first_piece, ICC_SIZE - first_piece);
    free(icc);
}

static void a_jpeg_keeps_everything_in_a_jpeg(void **state)
{
    Encoded file = jpeg_with_everything("RGB ");
    Encoded again = recode(file, IMAGE_JPEG, false);

    (void)state;
    assert_true(HOLDS(again, "Exif\0\0MM\0*"));
    assert_true(HOLDS(again, "http://ns.adobe.com/xap/1.0/\0<x:xmpmeta"));
    assert_true(HOLDS(again, "http://ns.adobe.com/xmp/extension/\0"
                             "0123456789"));
    assert_true(HOLDS(again, "Photoshop 3.0\0"
                             "8BIM and so on"));
    assert_true(HOLDS(again, "\xff\xfe\0\x0b"
                             "a comment"));
    assert_false(HOLDS(again, "MPF"));
    assert_memory_equal((uint8_t *)again.bytes + 13, "\1\1\x2c\0\x96", 5);
    assert_jpeg_holds_icc(again, 40000);
    free(file.bytes);
    free(again.bytes);
}

static void a_png_keeps_everything_in_a_png(void **state)
{
    static const char *const kept[] = {"iCCP", "eXIf", "gAMA", "pHYs", "bKGD",
                                       "tEXt", "tIME", "iTXt", "abCd"};
    Encoded file = png_with_everything("RGB ");
    Encoded again = recode(file, IMAGE_PNG, false);
    size_t length;

    (void)state;
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        size_t before;
        const uint8_t *a = read_chunk(file, kept[i], &before);
        const uint8_t *b = read_chunk(again, kept[i], &length);

        assert_non_null(b);
        assert_int_equal(before, length);
        assert_memory_equal(a, b, length);
    }
    assert_true(HOLDS(again, "Author\0somebody"));
    assert_null(read_chunk(again, "sBIT", &length));
    assert_null(read_chunk(again, "abCD", &length));
    free(file.bytes);
    free(again.bytes);
}

static void a_jpeg_turned_png_keeps_what_png_can_hold(void **state)
{
    Encoded file = jpeg_with_everything("RGB ");
    Encoded again = recode(file, IMAGE_PNG, false);
    size_t length;
    const uint8_t *chunk = read_chunk(again, "eXIf", &length);

    (void)state;
    assert_non_null(chunk);
    assert_int_equal(length, sizeof exif - 1);
    assert_memory_equal(chunk, exif, length);
    chunk = read_chunk(again, "pHYs", &length);
    assert_non_null(chunk);
    assert_memory_equal(chunk, "\0\0\x2e\x23\0\0\x17\x12\1", 9);
    assert_true(HOLDS(again, "iTXtXML:com.adobe.xmp\0\0\0\0\0<x:xmpmeta"));
    assert_true(HOLDS(again, "iTXtComment\0\0\0\0\0a comment"));
    assert_png_holds_icc(again);
    free(file.bytes);
    free(again.bytes);
}

static void a_png_turned_jpeg_keeps_what_jpeg_can_hold(void **state)
{
    Encoded file = png_with_everything("RGB ");
    Encoded again = recode(file, IMAGE_JPEG, false);

    (void)state;
    assert_true(HOLDS(again, "Exif\0\0MM\0*"));
    assert_true(HOLDS(again, "http://ns.adobe.com/xap/1.0/\0<x:xmpmeta"));
    assert_true(HOLDS(again, "\xff\xfe\0\x0b"
                             "a comment"));
    assert_memory_equal((uint8_t *)again.bytes + 13, "\1\1\x2c\0\x96", 5);
    assert_jpeg_holds_icc(again, 65519);
    free(file.bytes);
    free(again.bytes);
}

static void a_profile_of_other_colours_is_dropped(void **state)
{
    size_t length;

    (void)state;
    for (int grey = 0; grey <= 1; grey++) { /* RGB profile on grey rows, GRAY profile on RGB rows */
        Encoded files[] = {jpeg_with_everything(grey ? "RGB " : "GRAY"),
                           png_with_everything(grey ? "RGB " : "GRAY")};

        for (size_t i = 0; i < 2; i++) {
            Encoded jpeg = recode(files[i], IMAGE_JPEG, grey != 0);
            Encoded png = recode(files[i], IMAGE_PNG, grey != 0);

            assert_false(HOLDS(jpeg, "ICC_PROFILE"));
            assert_true(HOLDS(jpeg, "Exif\0\0MM\0*"));
            assert_null(read_chunk(png, "iCCP", &length));
            assert_non_null(read_chunk(png, "eXIf", &length));
            if (grey)
                assert_null(read_chunk(png, "bKGD", &length));
            free(jpeg.bytes);
            free(png.bytes);
        }
        free(files[0].bytes);
        free(files[1].bytes);
    }
}

static void too_much_metadata_is_refused_but_not_by_a_probe(void **state)
{
    Encoded files[] = {jpeg_with_everything("RGB "), png_with_everything("RGB ")};
    ImageLimits limits = roomy;

    (void)state;
    limits.max_metadata_bytes = 5000;
    for (size_t i = 0; i < 2; i++) {
        ImageInfo info;
        Error error = {0};

        assert_null(
            open_bytes(files[i].bytes, files[i].length, &limits, (ImageReadOptions){0}, &error));
        assert_int_equal(error.kind, ERROR_INPUT);
        assert_contains(error.message, "limits.max_metadata_bytes");
        assert_int_equal(image_probe(bytes_open_memory(files[i].bytes, files[i].length, "a"),
                                     &limits, &info, &error),
                         0);
        free(files[i].bytes);
    }
}

static void a_large_header_before_the_size_is_no_hindrance(void **state)
{
    Picture made = picture_make(IMAGE_JPEG, 40, 30, 3, 8);
    uint8_t *filler = calloc(1, 65000);
    Text text = {0};
    Encoded file;
    ImageInfo info;
    Error error = {0};

    (void)state;
    for (int i = 0; i < 30; i++)
        add_segment(&text, 0xe1, "Exif\0", 6, filler, 65000);
    file = insert(&made, AFTER_JFIF, &text);
    assert_int_equal(
        image_probe(bytes_open_memory(file.bytes, file.length, "a"), &roomy, &info, &error), 0);
    assert_int_equal(info.width, 40);
    assert_int_equal(info.height, 30);
    free(file.bytes);
    free(filler);
    free(made.rows);
}

/* A profile that inflates without end may cost no more than the limit, and is left out. */
static void a_profile_that_is_a_bomb_is_left_out(void **state)
{
    Picture made = picture_make(IMAGE_PNG, 40, 30, 3, 8);
    uint8_t *zeros = calloc(1, 64 << 20);
    uLongf length = compressBound(64 << 20);
    uint8_t *chunk = calloc(1, length + 6);
    Text text = {0};
    Encoded file;
    Encoded again;

    (void)state;
    memcpy(chunk, "name", 4);
    memcpy(zeros + 16, "RGB ", 4);
    assert_int_equal(compress2(chunk + 6, &length, zeros, 64 << 20, 1), Z_OK);
    add_chunk(&text, "iCCP", chunk, length + 6);
    file = insert(&made, AFTER_IHDR, &text);
    again = recode(file, IMAGE_JPEG, false);
    assert_false(HOLDS(again, "ICC_PROFILE"));
    free(again.bytes);
    again = recode(file, IMAGE_PNG, false);
    assert_null(read_chunk(again, "iCCP", &length));
    free(again.bytes);
    free(file.bytes);
    free(zeros);
    free(chunk);
    free(made.rows);
}

static void parts_carry_metadata_once(void **state)
{
    Encoded file = jpeg_with_everything("RGB ");
    Error error = {0};
    ImageReader *reader =
        open_bytes(file.bytes, file.length, &roomy, (ImageReadOptions){0}, &error);
    ImageMetadata *metadata = image_take_metadata(reader);

    (void)state;
    for (int kind = IMAGE_JPEG; kind <= IMAGE_PNG; kind++) {
        Picture made =
            picture_make((ImageKind)kind, 70000 / (kind == IMAGE_JPEG ? 70 : 1), 32, 1, 8);
        Encoded first = encode_tile(&made, 0, 16, 16, 3, metadata);
        Encoded second = encode_tile(&made, 16, 16, 16, 3, metadata);

        assert_true(HOLDS(first, "MM\0*"));
        assert_false(HOLDS(second, "MM\0*"));
        free(first.bytes);
        free(second.bytes);
        free(made.rows);
    }
    image_metadata_free(metadata);
    image_metadata_free(NULL);
    image_close_reader(reader);
    free(file.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_jpeg_keeps_everything_in_a_jpeg),
        cmocka_unit_test(a_png_keeps_everything_in_a_png),
        cmocka_unit_test(a_jpeg_turned_png_keeps_what_png_can_hold),
        cmocka_unit_test(a_png_turned_jpeg_keeps_what_jpeg_can_hold),
        cmocka_unit_test(a_profile_of_other_colours_is_dropped),
        cmocka_unit_test(too_much_metadata_is_refused_but_not_by_a_probe),
        cmocka_unit_test(a_large_header_before_the_size_is_no_hindrance),
        cmocka_unit_test(a_profile_that_is_a_bomb_is_left_out),
        cmocka_unit_test(parts_carry_metadata_once),
    };

    return cmocka_run_group_tests_name("image: metadata", tests, NULL, NULL);
}
