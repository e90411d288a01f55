using System.Threading.Channels;
using McpCan.Protocol.Links;
using Microsoft.AspNetCore.Http;

namespace McpCan.UnitTests.Protocol;

public sealed class SseLinkTests
{
    const string Call = """{"jsonrpc":"2.0","id":0,"method":"tools/call","params":{"name":"echo"}}""";

    [Fact]
    public async Task Link_RequestAndNotification_AnsweredOnTheStream()
    {
        var answers = Channel.CreateUnbounded<string>();
        await using var bed = await LinkBed.StartAsync(async context =>
        {
            if (context.Request.Method == "POST")
            {
                Assert.Equal("?sessionId=1", context.Request.QueryString.Value);
                context.Response.StatusCode = 202;
                await answers.Writer.WriteAsync(FakeServer.Result(await context.BodyAsync()));
                return;
            }
            await context.EventsAsync("event: endpoint\ndata: /messages?sessionId=1\n\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\"}\n\n");
            await context.EventsAsync($"data: {await answers.Reader.ReadAsync(context.RequestAborted)}\n\n");
        });
        using var link = await bed.Remote.OpenSseAsync(TestContext.Current.CancellationToken);
        link.Adopt(bed);
        Assert.Contains("result", await LinkBed.AskAsync(link, Call));
        Assert.Equal("the server closed its stream", await bed.Ended.Task);
    }

    [Theory]
    [InlineData("http://169.254.169.254/messages")]
    [InlineData("//evil.example/messages")]
    [InlineData("https://127.0.0.1/messages")]
    [InlineData("file:///etc/passwd")]
    [InlineData("http://user@127.0.0.1/x")]
    public async Task Open_AddressElsewhere_Refused(string address)
    {
        await using var bed = await LinkBed.StartAsync(async context =>
        {
            await context.EventsAsync($"event: endpoint\ndata: {address}\n\n");
            await context.ForeverAsync();
        });
        var failure = await Assert.ThrowsAsync<RemoteException>(() => bed.Remote.OpenSseAsync(TestContext.Current.CancellationToken));
        Assert.Equal(RemoteFailure.NotMcp, failure.Failure);
    }

    [Fact]
    public async Task Open_NoEndpointInTime_TimesOut()
    {
        await using var bed = await LinkBed.StartAsync(async context =>
        {
            await context.EventsAsync(": hello\n\n");
            await context.ForeverAsync();
        });
        var remote = bed.Remote with { RequestTimeout = TimeSpan.FromSeconds(0.3) };
        var failure = await Assert.ThrowsAsync<RemoteException>(() => remote.OpenSseAsync(TestContext.Current.CancellationToken));
        Assert.Equal(RemoteFailure.Timeout, failure.Failure);
    }
}
