using System.Globalization;
using McpCan.Server.Instances;
using Microsoft.Extensions.Logging.Abstractions;

namespace McpCan.UnitTests.Instances;

public sealed class InstanceFeedTests
{
    [Fact]
    public async Task Change_ReachesThePage_InThePagesLanguage()
    {
        var feed = new InstanceFeed(NullLogger<InstanceFeed>.Instance);
        var seen = "";
        await Task.Run(() =>
        {
            CultureInfo.CurrentUICulture = CultureInfo.GetCultureInfo("zh-CN");
            feed.Subscribe(_ => seen = CultureInfo.CurrentUICulture.Name);
        }, TestContext.Current.CancellationToken);

        await Task.Run(() => feed.Publish("i-1"), TestContext.Current.CancellationToken);

        Assert.Equal("zh-CN", seen);
    }
}
