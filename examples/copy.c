#include <string.h>

struct packet {
    const char *payload;
    size_t length;
};

void read_name(char *name, size_t size, const struct packet *found)
{
    (void)size;
    memcpy(name, found->payload, found->length);
    name[found->length] = '\0';
}

void read_name_checked(char *name, size_t size, const struct packet *found)
{
    if (found->length >= size) {
        return;
    }
    memcpy(name, found->payload, found->length);
    name[found->length] = '\0';
}
