using System.Net;
using System.Text;
using McpCan.Tests;

namespace McpCan.FunctionalTests;

/// <summary>Sends nonsense to every operation of the OpenAPI document: the answer is a clear 4xx, and the log has no failure.</summary>
public abstract class BadInputTests<TApp>(TApp app) : IClassFixture<TApp> where TApp : TestApp
{
    private static readonly string[] Ids = ["x-unknown", "..", "%2e%2e%2f", "\u202e", "i-1'--", new string('x', 2000), "名前"];

    private static readonly byte[][] Bodies =
    [
        [], "null"u8.ToArray(), "[]"u8.ToArray(), "\"text\""u8.ToArray(), "7"u8.ToArray(), "{"u8.ToArray(), "{}}"u8.ToArray(), "{\"name\":{\"name\":[]}}"u8.ToArray(),
        "{\"name\":\"a\",\"name\":\"b\"}"u8.ToArray(), "{\"name\":\"\\ud800\"}"u8.ToArray(), "{\"name\":\"\\u0000\",\"instances\":\"*\"}"u8.ToArray(),
        [.. "{\"name\":\""u8, 0xFF, 0xC0, 0x80, .. "\"}"u8], Encoding.UTF8.GetBytes(new string('[', 5000)), [0xEF, 0xBB, 0xBF, .. "nonsense"u8],
        "{\"name\":1e999,\"enabled\":\"true\",\"expiresAt\":5,\"role\":null,\"limits\":{\"memoryBytes\":\"1\"},\"env\":7,\"source\":{\"type\":\"nothing\"}}"u8.ToArray(),
    ];

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task BodiesOfNonsense_AreClearRefusals()
    {
        var wrong = new List<string>();
        foreach (var operation in (await ApiOperation.AllAsync(app, Cancel)).Where(o => o.BodyType == "application/json"))
            foreach (var body in Bodies)
            {
                using var content = new ByteArrayContent(body) { Headers = { ContentType = new("application/json") } };
                await TryAsync(operation.Request(body: content), $"{operation} with {Encoding.Latin1.GetString(body.Take(60).ToArray())}", wrong);
            }
        Assert.Empty(wrong);
        Assert.Empty(app.Log.Errors);
    }

    [Fact]
    public async Task UnknownIds_AreClearRefusals()
    {
        var wrong = new List<string>();
        foreach (var operation in (await ApiOperation.AllAsync(app, Cancel)).Where(o => o.Path.Contains('{', StringComparison.Ordinal)))
            foreach (var id in Ids)
                await TryAsync(operation.Request(id), $"{operation} with id {id[..Math.Min(id.Length, 20)]}", wrong);
        Assert.Empty(wrong);
        Assert.Empty(app.Log.Errors);
    }

    [Fact]
    public async Task HugeBodies_AreRefusedWithoutBeingRead()
    {
        var wrong = new List<string>();
        foreach (var operation in (await ApiOperation.AllAsync(app, Cancel)).Where(o => o.BodyType is not null))
        {
            // 100 GB are announced; who waits for them waits for ever.
            using var content = new EndlessContent(100L << 30, operation.BodyType!);
            using var request = operation.Request(body: content);
            request.Headers.ExpectContinue = true;
            using var answer = await app.Admin.SendAsync(request, Cancel);
            if (answer.StatusCode is not (HttpStatusCode.RequestEntityTooLarge or HttpStatusCode.NotFound)) wrong.Add($"{operation}: {(int)answer.StatusCode}");
        }
        Assert.True(wrong.Count == 0, string.Join("\n", wrong));
    }

    private async Task TryAsync(HttpRequestMessage request, string what, List<string> wrong)
    {
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        timeout.CancelAfter(Eventually.Patience);
        using var sent = request;
        using var answer = await app.Admin.SendAsync(sent, HttpCompletionOption.ResponseHeadersRead, timeout.Token);
        var status = (int)answer.StatusCode;
        if (status is >= 200 and < 300 && HarmlessAsGiven(request)) return;
        if (status is < 400 or >= 500) wrong.Add($"{what}: {status}");
        else if (answer.Content.Headers.ContentType?.MediaType != "application/problem+json") wrong.Add($"{what}: {status} without problem details");
    }

    /// <summary>A PATCH that changes nothing and a list narrowed to nothing are right to succeed.</summary>
    private static bool HarmlessAsGiven(HttpRequestMessage request) => request.Method == HttpMethod.Get || request.Method == HttpMethod.Patch;

    private sealed class EndlessContent : HttpContent
    {
        private readonly long _length;

        public EndlessContent(long length, string type)
        {
            _length = length;
            Headers.TryAddWithoutValidation("Content-Type", type.StartsWith("multipart/", StringComparison.Ordinal) ? type + "; boundary=x" : type);
        }

        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context) => await stream.WriteAsync(new byte[1024], Cancel);

        protected override bool TryComputeLength(out long length)
        {
            length = _length;
            return true;
        }
    }
}

public sealed class BadInputTestsOnSqlite(SqliteApp app) : BadInputTests<SqliteApp>(app);

public sealed class BadInputTestsOnPostgres(PostgresApp app) : BadInputTests<PostgresApp>(app);
