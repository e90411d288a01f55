using System.Text;
using System.Text.Json.Nodes;
using McpCan.Gateway;
using McpCan.Gateway.Virtual;
using McpCan.Protocol.Links;
using McpCan.Protocol.Messages;
using McpCan.Protocol.Sessions;
using Xunit;

namespace McpCan.UnitTests.Gateway;

public sealed class VirtualLinkTests
{
    private readonly Dictionary<string, FakeServer> _servers = [];
    private readonly Client _client = new();

    [Fact]
    public async Task ToolsList_TwoMembers_ShowsPrefixedRenamedAndChosenOnes()
    {
        var weather = Server("i-a", "forecast", "alerts");
        Server("i-b", "forecast", "hidden");
        var link = Open(
            Member("i-a") with { Overrides = new Dictionary<string, VirtualOverride> { ["alerts"] = new("warnings", "What \"to\" fear.") } },
            Member("i-b") with { Prefix = "b", Tools = ["forecast"] });
        await Ask(link, "initialize", Hello);

        var tools = (JsonArray)(await Ask(link, "tools/list"))["result"]!["tools"]!;

        Assert.Equal(["forecast", "warnings", "b_forecast"], tools.Select(t => (string)t!["name"]!));
        Assert.Equal("What \"to\" fear.", (string)tools[1]!["description"]!);
        Assert.Equal(1.50m, tools[0]!["inputSchema"]!["x"]!.GetValue<decimal>());
        Assert.Contains("1.50", tools[0]!.ToJsonString(), StringComparison.Ordinal); // as the server wrote it
        Assert.DoesNotContain("ping", weather.Seen);
    }

    [Fact]
    public async Task ToolsList_SameNameWithoutPrefix_EarlierMemberWins()
    {
        Server("i-a", "forecast");
        var second = Server("i-b", "forecast", "other");
        var link = Open(Member("i-a"), Member("i-b"));
        await Ask(link, "initialize", Hello);

        var tools = (JsonArray)(await Ask(link, "tools/list"))["result"]!["tools"]!;
        var answer = await Ask(link, "tools/call", @"{""name"":""forecast""}");

        Assert.Equal(["forecast", "other"], tools.Select(t => (string)t!["name"]!));
        Assert.Equal("i-a:forecast", Text(answer));
        Assert.DoesNotContain("tools/call", second.Seen);
    }

    [Fact]
    public async Task ToolsCall_RenamedTool_ReachesItsServerUnderItsOwnName()
    {
        Server("i-a", "forecast");
        Server("i-b", "forecast");
        var link = Open(Member("i-a"), Member("i-b") with { Prefix = "b" });
        await Ask(link, "initialize", Hello);

        var answer = await Ask(link, "tools/call", @"{""name"":""b_forecast"",""arguments"":{""name"":""b_forecast""}}");

        Assert.Equal("i-b:forecast", Text(answer));
    }

    [Fact]
    public async Task ToolsCall_NotOffered_IsRefusedAndReachesNoServer()
    {
        var server = Server("i-a", "forecast", "secret");
        var link = Open(Member("i-a") with { Tools = ["forecast"] });
        await Ask(link, "initialize", Hello);

        var answer = await Ask(link, "tools/call", @"{""name"":""secret""}");

        Assert.Equal(-32602, (int)answer["error"]!["code"]!);
        Assert.DoesNotContain("tools/call", server.Seen);
    }

    [Fact]
    public async Task ServerRequests_WithTheSameId_AreAnsweredEachToItsServer()
    {
        var a = Server("i-a", "x");
        var b = Server("i-b", "y");
        var link = Open(Member("i-a"), Member("i-b"));
        await Ask(link, "initialize", Hello);

        await a.Say(@"{""jsonrpc"":""2.0"",""id"":""q"",""method"":""roots/list""}");
        await b.Say(@"{""jsonrpc"":""2.0"",""id"":""q"",""method"":""roots/list""}");
        var ids = _client.Requests.Select(r => r["id"]!.ToJsonString()).ToArray();
        await Send(link, $@"{{""jsonrpc"":""2.0"",""id"":{ids[1]},""result"":{{""roots"":[]}}}}");

        Assert.Equal(2, ids.Distinct().Count());
        Assert.Empty(a.Answers);
        Assert.Equal(@"{""jsonrpc"":""2.0"",""id"":""q"",""result"":{""roots"":[]}}", Assert.Single(b.Answers));
    }

    [Fact]
    public async Task Member_ThatIsDown_LeavesTheOthersWorkingAndComesBackWithItsTools()
    {
        Server("i-a", "forecast");
        var link = Open(Member("i-a"), Member("i-gone"));
        await Ask(link, "initialize", Hello);

        var tools = (JsonArray)(await Ask(link, "tools/list"))["result"]!["tools"]!;

        Assert.Single(tools);
    }

    [Fact]
    public async Task Member_ThatDiesInACall_EndsTheCallAndIsConnectedAgain()
    {
        var server = Server("i-a", "forecast", "hang");
        var link = Open(Member("i-a"));
        await Ask(link, "initialize", Hello);
        var hanging = Ask(link, "tools/call", @"{""name"":""hang""}");
        await server.Hanging.Task;

        server.Die();
        Server("i-a", "fresh");
        var lost = await hanging;
        var tools = (JsonArray)(await Ask(link, "tools/list"))["result"]!["tools"]!;

        Assert.Contains("died", (string)lost["lost"]!, StringComparison.Ordinal);
        Assert.Equal("fresh", (string)Assert.Single(tools)!["name"]!);
        Assert.Contains("notifications/tools/list_changed", _client.Notifications);
    }

    [Fact]
    public async Task Cancelled_GoesToTheServerThatHasTheCall_UnderItsId()
    {
        Server("i-a", "x");
        var b = Server("i-b", "hang");
        var link = Open(Member("i-a"), Member("i-b"));
        await Ask(link, "initialize", Hello);
        var call = new TestCall();
        var request = Encoding.UTF8.GetBytes(@"{""jsonrpc"":""2.0"",""id"":7,""method"":""tools/call"",""params"":{""name"":""hang""}}");
        await link.SendRequestAsync(call, request, EnvelopeReader.Read(request));
        var theirs = await b.Hanging.Task;

        await Send(link, $@"{{""jsonrpc"":""2.0"",""method"":""notifications/cancelled"",""params"":{{""requestId"":{call.Id}}}}}");

        Assert.Equal(theirs, b.Cancelled);
    }

    [Fact]
    public async Task Resources_AreReadWhereTheyAre_AndOnlyWhenOffered()
    {
        Server("i-a", "x").Resources.Add("file:///a");
        Server("i-b", "y").Resources.AddRange(["file:///b", "secret://b"]);
        var link = Open(Member("i-a"), Member("i-b") with { Resources = ["file:*"] });
        await Ask(link, "initialize", Hello);

        var list = (JsonArray)(await Ask(link, "resources/list"))["result"]!["resources"]!;
        var read = await Ask(link, "resources/read", @"{""uri"":""file:///b""}");
        var forbidden = await Ask(link, "resources/read", @"{""uri"":""secret://b""}");

        Assert.Equal(["file:///a", "file:///b"], list.Select(r => (string)r!["uri"]!));
        Assert.Equal("i-b:file:///b", (string)read["result"]!["contents"]![0]!["text"]!);
        Assert.True(forbidden["error"] is not null || (string)forbidden["result"]!["contents"]![0]!["text"]! == "i-a:secret://b");
        Assert.NotEqual("i-b:secret://b", (string?)forbidden["result"]?["contents"]?[0]?["text"]);
    }

    private const string Hello = @"{""protocolVersion"":""2025-11-25"",""capabilities"":{},""clientInfo"":{""name"":""t"",""version"":""1""}}";

    private static VirtualMember Member(string id) => new(id, null, null, null, null, new Dictionary<string, VirtualOverride>());

    private FakeServer Server(string id, params string[] tools) => _servers[id] = new(id, tools);

    private VirtualLink Open(params VirtualMember[] members)
    {
        var link = new VirtualLink(new(members, "Two in one.", 3), "both", (id, _) => _servers.TryGetValue(id, out var server)
            ? new(server)
            : throw new ServerUnavailableException($"{id} is not running"));
        link.Adopt(_client);
        return link;
    }

    private static string Text(JsonNode answer) => (string)answer["result"]!["content"]![0]!["text"]!;

    private static ValueTask Send(VirtualLink link, string message) => link.SendAsync(new Splice(Encoding.UTF8.GetBytes(message)));

    private static async Task<JsonNode> Ask(ServerLink link, string method, string? parameters = null)
    {
        var call = new TestCall();
        var request = Encoding.UTF8.GetBytes($@"{{""jsonrpc"":""2.0"",""id"":""c"",""method"":""{method}""{(parameters is null ? "" : @",""params"":" + parameters)}}}");
        await link.SendRequestAsync(call, request, EnvelopeReader.Read(request));
        return JsonNode.Parse(await call.Done.Task.WaitAsync(TimeSpan.FromSeconds(20)))!;
    }

    private sealed class TestCall : PendingCall
    {
        public TaskCompletionSource<string> Done { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public override ValueTask OnAnswer(ReadOnlySpan<byte> message, in Envelope envelope)
        {
            Done.TrySetResult(Encoding.UTF8.GetString(message));
            return default;
        }

        public override ValueTask OnProgress(ReadOnlySpan<byte> message, in Envelope envelope) => default;

        public override void OnLost(string reason) => Done.TrySetResult(new JsonObject { ["lost"] = reason }.ToJsonString());
    }

    private sealed class Client : IServerMessages
    {
        public List<JsonNode> Requests { get; } = [];
        public List<string> Notifications { get; } = [];

        public ValueTask OnServerMessage(ServerLink link, ReadOnlySpan<byte> message, in Envelope envelope, PendingCall? related)
        {
            var node = JsonNode.Parse(message)!;
            if (envelope.Kind == MessageKind.Request) Requests.Add(node);
            else Notifications.Add((string)node["method"]!);
            return default;
        }

        public void OnLinkEnded(ServerLink link, string reason) { }
    }

    private sealed class FakeServer(string id, string[] tools) : ServerLink, IServerConnection
    {
        public List<string> Seen { get; } = [];
        public List<string> Answers { get; } = [];
        public List<string> Resources { get; } = [];
        public long Cancelled { get; private set; }
        public TaskCompletionSource<long> Hanging { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        ServerLink IServerConnection.Link => this;

        public void Stop() => End("stopped");

        public void Die() => End("the server died");

        public async ValueTask Say(string message)
        {
            if (TryReceive(Encoding.UTF8.GetBytes(message), null, out var handled)) await handled;
        }

        public override ValueTask SendRequestAsync(PendingCall call, ReadOnlySpan<byte> message, in Envelope envelope)
        {
            lock (Gate) Register(call);
            var node = JsonNode.Parse(message)!;
            var method = (string)node["method"]!;
            Seen.Add(method);
            var name = (string?)node["params"]?["name"];
            var uri = (string?)node["params"]?["uri"];
            if (name == "hang")
            {
                Hanging.TrySetResult(call.Id);
                return default;
            }
            var list = string.Join(',', tools.Select(t => $@"{{""name"":""{t}"",""inputSchema"":{{""type"":""object"",""x"":1.50}}}}"));
            var resources = string.Join(',', Resources.Select(r => $@"{{""uri"":""{r}"",""name"":""r""}}"));
            var result = method switch
            {
                "initialize" => @"{""protocolVersion"":""2025-06-18"",""capabilities"":{""tools"":{},""resources"":{""subscribe"":true}},""serverInfo"":{""name"":""f"",""version"":""1""}}",
                "tools/list" => $@"{{""tools"":[{list}]}}",
                "resources/list" => $@"{{""resources"":[{resources}]}}",
                "resources/templates/list" => @"{""resourceTemplates"":[]}",
                "resources/read" => $@"{{""contents"":[{{""uri"":""{uri}"",""text"":""{id}:{uri}""}}]}}",
                _ => $@"{{""content"":[{{""type"":""text"",""text"":""{id}:{name}""}}]}}",
            };
            return Say($@"{{""jsonrpc"":""2.0"",""id"":{call.Id},""result"":{result}}}");
        }

        public override ValueTask SendAsync(Splice message)
        {
            var bytes = new byte[message.Length];
            message.CopyTo(bytes, oneLine: false);
            var node = JsonNode.Parse(bytes)!;
            if (node["method"] is null) Answers.Add(Encoding.UTF8.GetString(bytes));
            else if ((string?)node["method"] == "notifications/cancelled") Cancelled = (long)node["params"]!["requestId"]!;
            return default;
        }
    }
}
