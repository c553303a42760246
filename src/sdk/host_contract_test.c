/* host_contract_test.c - the scripted host, under which all other tests of the recorder run. */
#include "sdk/host_contract.h"
#include "sdk/test_host.h"

TEST(the_scripted_host_keeps_the_contract)
{
    static test_world world;

    test_world_init(&world);
    host_contract_run(&(host_contract){ .host = &world.host, .cannot = HOST_CANNOT_MOVE_TIME });
    CHECK(world.wakes > 0, "it counts its wakes");
    CHECK_INT(0, test_live_, "and what was taken came back");
}

TEST_MAIN(RUN(the_scripted_host_keeps_the_contract))
