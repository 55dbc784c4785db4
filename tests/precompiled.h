#pragma once

#include <gmock/gmock.h>

#include "base/precompiled.h"
