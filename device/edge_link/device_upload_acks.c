#include "device/edge_link/device_upload_acks.h"

static struct device_upload_ack *piece_of(struct device_upload_acks *acks, unsigned index)
{
    return &acks->ring[(acks->head + index) % DEVICE_UPLOAD_ACKS_PIECES];
}

void device_upload_acks_sent(struct device_upload_acks *acks, uint64_t end, int64_t model_bytes)
{
    if (acks->count == DEVICE_UPLOAD_ACKS_PIECES) {
        struct device_upload_ack *last = piece_of(acks, acks->count - 1);
        last->end = end;
        last->model_bytes += model_bytes;
        return;
    }
    *piece_of(acks, acks->count) = (struct device_upload_ack){end, model_bytes};
    acks->count++;
}

int64_t device_upload_acks_received(struct device_upload_acks *acks, uint64_t end)
{
    int64_t model_bytes = 0;
    while (acks->count > 0 && piece_of(acks, 0)->end <= end) {
        model_bytes += piece_of(acks, 0)->model_bytes;
        acks->head = (acks->head + 1) % DEVICE_UPLOAD_ACKS_PIECES;
        acks->count--;
    }
    return model_bytes;
}
