#include "chance.h"

#include "base/mem.h"

static uint64_t state;

void chance_begin(uint64_t seed)
{
	MUST(seed);
	state = seed;
}

uint64_t chance_pick(uint64_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state % below;
}

void chance_run(const struct chance_step *steps, size_t n)
{
	uint64_t at = chance_pick(100);

	for (size_t i = 0; i < n; i++) {
		if (at < steps[i].weight) {
			steps[i].run();
			return;
		}
		at -= steps[i].weight;
	}
	BUG("the weights do not make 100");
}
