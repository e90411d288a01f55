using System.Buffers;
using System.Text;
using System.Text.Json;
using McpCan.Gateway;
using McpCan.Gateway.Policy;

namespace McpCan.UnitTests.Gateway;

public sealed class PolicyFilterTests
{
    private static readonly AccessPolicy Policy = new()
    {
        Tools = new(["echo", "get_*"], ["get_secret"]),
        Prompts = new(null, ["admin*"]),
        Resources = new(["file:///public/*"], ["*.key"]),
    };

    [Theory]
    [InlineData("echo", true)]
    [InlineData("get_", true)]
    [InlineData("get_weather", true)]
    [InlineData("get_secret", false)]
    [InlineData("Echo", false)]
    [InlineData("xecho", false)]
    [InlineData("echo2", false)]
    [InlineData("", false)]
    public void Rule_AllowsThenDenies(string name, bool open) => Assert.Equal(open, Policy.Tools!.Opens(name));

    [Fact]
    public void Rule_OfManyStars_IsQuick()
    {
        var rule = new NameRule([string.Concat(Enumerable.Repeat("a*", 200)) + "b"], []);
        Assert.False(rule.Opens(new string('a', 20_000)));
        Assert.True(rule.Opens(new string('a', 2_000) + "b"));
        Assert.Equal(new NameRule(["a"], []), new NameRule(["a"], []));
        Assert.NotEqual(new NameRule(null, []), new NameRule([], []));
    }

    [Theory]
    [InlineData("file:///public/a.txt", true)]
    [InlineData("FILE:///public/a.txt", false)] // as written it is outside of the rule
    [InlineData("file:///public/../etc/passwd", false)]
    [InlineData("file:///public/%2e%2e/etc/passwd", false)]
    [InlineData("file:///public/%252e%252e/etc/passwd", false)]
    [InlineData("file:///public/..\\etc", false)]
    [InlineData("file:///public/a.key", false)]
    [InlineData("file:///public/a%2Ekey", false)]
    [InlineData("file:///public/a.%6bey", false)]
    [InlineData("file:///etc/public/a", false)]
    public void Resource_InAnySpelling_KeepsToTheRule(string uri, bool open) => Assert.Equal(open, ResourceNames.Open(Policy.Resources!, uri, isUri: true));

    [Theory]
    [InlineData("""{"result":{"tools":[{"name":"a"},{"name":"echo","x":1.50}, {"name":"b"} ],"nextCursor":"n","_meta":{"k":[1]}},"id":1}""",
        """{"result":{"tools":[{"name":"echo","x":1.50} ],"nextCursor":"n","_meta":{"k":[1]}},"id":1}""")]
    [InlineData("""{"result":{"tools":[ {"name":"echo"},{"name":"a"},{"name":"b"},{"name":"get_x"}]}}""", """{"result":{"tools":[ {"name":"echo"},{"name":"get_x"}]}}""")]
    [InlineData("""{"result":{"tools":[{"name":"a"},{"name":"b"}]}}""", """{"result":{"tools":[]}}""")]
    [InlineData("""{"result":{"t\u006fols":[{"n\u0061me":"a"},{"name":"\u0065cho"}]}}""", """{"result":{"t\u006fols":[{"name":"\u0065cho"}]}}""")]
    [InlineData("""{"result":{"tools":[{"name":"echo","name":"a"},{"title":"x"},7,null,"echo",[]]}}""", """{"result":{"tools":[]}}""")]
    [InlineData("""{"result":{"tools":[{"name":"a"}]},"result":{"tools":[{"name":"a"}]}}""", """{"result":{"tools":[]},"result":{"tools":[]}}""")]
    [InlineData("""{"result":{"prompts":[{"name":"admin-x"},{"name":"b"}]}}""", """{"result":{"prompts":[{"name":"b"}]}}""")]
    [InlineData("""{"result":{"resources":[{"uri":"file:///public/a","name":"x"},{"uri":"file:///etc"}]}}""", """{"result":{"resources":[{"uri":"file:///public/a","name":"x"}]}}""")]
    [InlineData("""{"result":{"resourceTemplates":[{"uriTemplate":"file:///{p}"},{"uriTemplate":"file:///public/{p}"}]}}""", """{"result":{"resourceTemplates":[{"uriTemplate":"file:///public/{p}"}]}}""")]
    [InlineData("""{"result":{"cacheScope":"public","tools":[{"name":"echo"}],"ttlMs":5}}""", """{"result":{"cacheScope":"private","tools":[{"name":"echo"}],"ttlMs":5}}""")]
    [InlineData("""[{"id":1,"result":{"tools":[{"name":"a"}]}},{"method":"notifications/resources/updated","params":{"uri":"file:///etc"}},{"id":2,"result":{}}]""",
        """[{"id":1,"result":{"tools":[]}},{"id":2,"result":{}}]""")]
    public void List_LosesClosedEntries_AndNothingElse(string before, string after)
    {
        var (outcome, text) = Apply(before);
        Assert.Equal(FilterOutcome.Changed, outcome);
        Assert.Equal(after, text);
        using var json = JsonDocument.Parse(text);
    }

    [Theory]
    [InlineData("""{"result":{"tools":[{"name":"echo"},{"name":"get_a"}]}}""", FilterOutcome.Unchanged)]
    [InlineData("""{"result":{"content":[{"type":"text","text":"{\"tools\":[{\"name\":\"a\"}]}"}],"structuredContent":{"tools":[{"name":"a"}]}}}""", FilterOutcome.Unchanged)]
    [InlineData("""{"result":{"tools":{"name":"a"}}}""", FilterOutcome.Unchanged)]
    [InlineData("""{"result":{"capabilities":{"tools":{}},"cacheScope":"public"}}""", FilterOutcome.Unchanged)]
    [InlineData("""{"method":"notifications/resources/updated","params":{"uri":"file:///public/a"}}""", FilterOutcome.Unchanged)]
    [InlineData("""{"params":{"uri":"file:///etc"},"method":"notifications/resources/updated"}""", FilterOutcome.Dropped)]
    [InlineData("""{"method":"notifications/resources/updated"}""", FilterOutcome.Unchanged)]
    [InlineData("""{"result":{"tools":[{"name":"a"}]}""", FilterOutcome.Broken)]
    [InlineData("""{"result":{"tools":[{"name":"\ud800"}]}}""", FilterOutcome.Broken)]
    [InlineData("", FilterOutcome.Broken)]
    public void Message_OfAnotherForm_IsLeftOrDroppedOrBroken(string message, object outcome) => Assert.Equal(outcome, Apply(message).Outcome);

    [Theory]
    [InlineData("""{"id":1,"method":"tools/call","params":{"name":"echo"}}""", null)]
    [InlineData("""{"params":{"arguments":{"name":"x","NAME":"y"},"name":"echo"},"method":"tools/call","id":1}""", null)]
    [InlineData("""{"id":1,"method":"tools/call","params":{"name":"add"}}""", -32602)]
    [InlineData("""{"id":1,"method":"t\u006fols/c\u0061ll","params":{"n\u0061me":"\u0061dd"}}""", -32602)]
    [InlineData("""{"id":1,"method":"tools/call","params":{"name":"echo","name":"add"}}""", -32600)]
    [InlineData("""{"id":1,"method":"tools/call","params":{"name":"add","n\u0061me":"echo"}}""", -32600)]
    [InlineData("""{"id":1,"method":"tools/call","params":{"name":"echo","Name":"add"}}""", -32600)]
    [InlineData("""{"id":1,"method":"tools/call","params":{"NAME":"add"}}""", -32600)]
    [InlineData("""{"id":1,"method":"ping","method":"tools/call","params":{"name":"add"}}""", -32600)]
    [InlineData("""{"id":1,"METHOD":"tools/call","params":{"name":"add"}}""", -32600)]
    [InlineData("""{"id":1,"method":"tools/call","params":{"name":"echo"},"param\u017F":{"name":"add"}}""", -32600)]
    [InlineData("""{"id":1,"id":2,"method":"ping"}""", -32600)]
    [InlineData("""{"id":1,"method":"tools/call"}""", -32602)]
    [InlineData("""{"id":1,"method":"tools/call","params":["add"]}""", -32600)]
    [InlineData("""{"id":1,"method":"tools/call","params":{"name":["add"]}}""", -32602)]
    [InlineData("""{"id":1,"method":"tools/call","params":{"name":"\ud800"}}""", -32602)]
    [InlineData("""{"id":1,"method":7,"params":{"name":"add"}}""", -32600)]
    [InlineData("""{"id":1,"method":"prompts/get","params":{"name":"admin1"}}""", -32602)]
    [InlineData("""{"id":1,"method":"resources/read","params":{"uri":"file:///etc/passwd"}}""", -32002)]
    [InlineData("""{"id":1,"method":"resources/subscribe","params":{"uri":"file:///etc/passwd"}}""", -32002)]
    [InlineData("""{"id":1,"method":"completion/complete","params":{"ref":{"type":"ref/prompt","name":"admin1"}}}""", -32602)]
    [InlineData("""{"id":1,"method":"completion/complete","params":{"ref":{"type":"ref/prompt","name":"admin1"},"notifications":{"name":"ok"}}}""", -32602)]
    [InlineData("""{"id":1,"method":"completion/complete","params":{"ref":{"type":"ref/resource","uri":"file:///etc/{x}"}}}""", -32002)]
    [InlineData("""{"id":1,"method":"completion/complete","params":{"ref":{"type":"ref/resource","uri":"file:///public/{x}"}}}""", null)]
    [InlineData("""{"id":1,"method":"subscriptions/listen","params":{"notifications":{"resourceSubscriptions":["file:///public/a","file:///etc"]}}}""", -32002)]
    [InlineData("""{"id":1,"method":"subscriptions/listen","params":{"notifications":{"resourceSubscriptions":"file:///etc"}}}""", -32602)]
    [InlineData("""{"id":1,"method":"subscriptions/listen","params":{"notifications":{"toolsListChanged":true}}}""", null)]
    [InlineData("""{"id":1,"result":{"name":"add"}}""", null)]
    [InlineData("""7""", -32600)]
    public void Request_IsJudgedAsItWouldBeRead(string body, int? code)
    {
        var messages = RequestJudge.Judge(Encoding.UTF8.GetBytes(body), Policy, modern: false, out _);
        Assert.Equal(code, Assert.Single(messages).Denial?.Code);
    }

    [Theory]
    [InlineData("")]
    [InlineData("{")]
    [InlineData("""{"id":1,"method":"ping"}{"id":1,"method":"tools/call","params":{"name":"add"}}""")]
    [InlineData("""{"id":1,"method":"ping",}""")]
    [InlineData("""/* */{"id":1,"method":"ping"}""")]
    public void Request_ThatIsNoJson_IsNotJudged(string body) =>
        Assert.ThrowsAny<JsonException>(() => RequestJudge.Judge(Encoding.UTF8.GetBytes(body), Policy, modern: false, out _));

    [Fact]
    public void Request_OfGreatDepth_IsJudged()
    {
        var deep = """{"id":1,"method":"tools/call","params":{"arguments":""" + new string('[', 50_000) + new string(']', 50_000) + ""","name":"add"}}""";
        Assert.Equal(-32602, RequestJudge.Judge(Encoding.UTF8.GetBytes(deep), Policy, modern: true, out _)[0].Denial?.Code);
    }

    [Theory]
    [InlineData("id: 7\r\nevent: message\r\ndata: {\"result\":\r\ndata: {\"tools\":[{\"name\":\"a\"}]}}\r\n\r\n", "id: 7\nevent: message\ndata: {\"result\":\ndata: {\"tools\":[]}}\n\n")]
    [InlineData("data:{\"result\":{\"tools\":[{\"name\":\"a\"}]}}\n\n", "data: {\"result\":{\"tools\":[]}}\n\n")]
    [InlineData("data\rdata:{\"result\":{\"tools\":[{\"name\":\"a\"}]}}\r\r", "data: \ndata: {\"result\":{\"tools\":[]}}\n\n")]
    [InlineData("\uFEFFdata: {\"result\":{\"tools\":[{\"name\":\"a\"}]}}\n\n", "data: {\"result\":{\"tools\":[]}}\n\n")]
    [InlineData("event: endpoint\ndata: /message?sessionId=tools\n\n", "event: endpoint\ndata: /message?sessionId=tools\n\n")]
    [InlineData("data: {\"result\":{\"tools\":[NaN]}}\n\n", "")]
    [InlineData("data: {\"result\":{\"x\":NaN}}\n\n", "data: {\"result\":{\"x\":NaN}}\n\n")]
    [InlineData("id: 1\ndata: \nretry: 5\n\n", "id: 1\ndata: \nretry: 5\n\n")]
    [InlineData(": ping\n\n", ": ping\n\n")]
    public void Event_InAnyWriting_IsFiltered(string before, string after)
    {
        var to = new ArrayBufferWriter<byte>(256);
        EventFilter.Apply(Encoding.UTF8.GetBytes(before), Policy, to, first: true);
        Assert.Equal(after, Encoding.UTF8.GetString(to.WrittenSpan));
    }

    [Fact]
    public void Addresses_KnowMappedAndBothFamilies()
    {
        var policy = new AccessPolicy { Addresses = [System.Net.IPNetwork.Parse("10.0.0.0/8"), System.Net.IPNetwork.Parse("2001:db8::/32")] };
        Assert.True(policy.OpenTo(System.Net.IPAddress.Parse("10.1.1.1")));
        Assert.True(policy.OpenTo(System.Net.IPAddress.Parse("::ffff:10.1.1.1")));
        Assert.True(policy.OpenTo(System.Net.IPAddress.Parse("2001:db8:1::1")));
        Assert.False(policy.OpenTo(System.Net.IPAddress.Parse("::ffff:11.1.1.1")));
        Assert.False(policy.OpenTo(System.Net.IPAddress.Parse("2001:db9::1")));
        Assert.False(policy.OpenTo(null));
        Assert.True(new AccessPolicy().OpenTo(null));
    }

    private static (FilterOutcome Outcome, string Text) Apply(string json)
    {
        var to = new ArrayBufferWriter<byte>(256);
        var outcome = ListFilter.Apply(Encoding.UTF8.GetBytes(json), Policy, to);
        return (outcome, Encoding.UTF8.GetString(to.WrittenSpan));
    }
}
