#define INGOT_INSTANCE template
#include "ingot/models.h"
#include "ingot/nn.h"
