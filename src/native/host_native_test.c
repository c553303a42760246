/* host_native_test.c - the host on Linux keeps the contract of hosts. */
#include "sdk/host_contract.h"

#include <kiseki/kiseki.h>

#include "sdk/sdk.h"

TEST(the_host_on_linux_keeps_the_contract)
{
    kis_diag diag;
    kis_sdk_options options = { .exporter = KIS_STR("memory"), .is_quiet = true };
    kis_sdk *sdk = kis_sdk_start(&options, &diag);

    CHECK(sdk, sdk ? "" : diag.text);
    host_contract_run(&(host_contract){ .host = &sdk->host });
    CHECK_ERR(KIS_OK, kis_sdk_stop(sdk, 5000), "and stops after all that");
}

TEST_MAIN(RUN(the_host_on_linux_keeps_the_contract))
