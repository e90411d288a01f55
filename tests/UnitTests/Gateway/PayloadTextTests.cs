using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using McpCan.Gateway;

namespace McpCan.UnitTests.Gateway;

public sealed class PayloadTextTests
{
    private static string Redact(string text, params string[] names) => PayloadText.Redact(Encoding.UTF8.GetBytes(text), names);

    [Theory]
    [InlineData("""{"password":"x1"}""", """{"password":"***"}""")]
    [InlineData("""{"a":{"b":[{"api_key" : 42 , "c":1}]}}""", """{"a":{"b":[{"api_key" : "***", "c":1}]}}""")]
    [InlineData("""{"Authorization":"Bearer abcdefgh"}""", """{"Authorization":"***"}""")]
    [InlineData("""{"pass\u0077ord":"x1"}""", """{"pass\u0077ord":"***"}""")]
    [InlineData("""{"client_secret":{"deep":["x1",{"y":2}]},"ok":true}""", """{"client_secret":"***","ok":true}""")]
    [InlineData("""{"cookies":["a=b"],"z":null}""", """{"cookies":"***","z":null}""")]
    [InlineData("""{"a":"the password is in the drawer"}""", """{"a":"the password is in the drawer"}""")]
    [InlineData("""{"_meta":{"progressToken":7},"maxTokens":100,"usage":{"input_tokens":5}}""", """{"_meta":{"progressToken":7},"maxTokens":100,"usage":{"input_tokens":5}}""")]
    [InlineData("""{"env":[{"name":"API_TOKEN","value":"x1"},{"name":"HOME","value":"/root"}]}""", """{"env":[{"name":"API_TOKEN","value":"***"},{"name":"HOME","value":"/root"}]}""")]
    [InlineData("""{"password":"cut in the midd""", """{"password":"***" """)]
    [InlineData("""{"a":1,"secrets":{"x":"1","y":[""", """{"a":1,"secrets":"***" """)]
    [InlineData("""{"text":"{\"password\":\"x1\",\"n\":1}"}""", """{"text":"{\"password\":\"***\",\"n\":1}"}""")]
    [InlineData("""{"text":"{\"password\":\"x1 and cut""", """{"text":"{\"password\":\"***\" """)]
    [InlineData("event: message\ndata: {\"token\":\"x1\"}\n\n", "event: message\ndata: {\"token\":\"***\"}\n\n")]
    [InlineData("""{"a":"use Bearer abc.def.ghi now"}""", """{"a":"use Bearer *** now"}""")]
    [InlineData("""{"a":"postgres://u:hunter2@db/x"}""", """{"a":"postgres://u:***@db/x"}""")]
    [InlineData("""{"a":"DB_PASSWORD=hunter2 HOME=/root"}""", """{"a":"DB_PASSWORD=*** HOME=/root"}""")]
    [InlineData("""{"a":"mct_0123456789abcdef"}""", """{"a":"***"}""")]
    public void Secrets_AreReplaced_TheRestStays(string text, string expected) => Assert.Equal(expected.TrimEnd(' '), Redact(text));

    [Fact]
    public void ListedNames_AreReplaced_HoweverTheyAreSpelt() =>
        Assert.Equal("""{"cardNumber":"***","card_number":"***","card":1}""", Redact("""{"cardNumber":"4","card_number":4,"card":1}""", "Card-Number"));

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void RandomJson_WholeOrCutAnywhere_ShowsNoSecret(int seed)
    {
        var random = new Random(seed);
        for (var i = 0; i < 300; i++)
        {
            var json = Node(random, 0)!.ToJsonString();
            if (random.Next(3) == 0) json = new JsonObject { ["content"] = new JsonArray(new JsonObject { ["text"] = json }) }.ToJsonString();
            var whole = Redact(json);
            Assert.DoesNotContain("S3CR", whole, StringComparison.Ordinal);
            JsonDocument.Parse(whole).Dispose();
            for (var cuts = 0; cuts < 10; cuts++) Assert.DoesNotContain("S3CR", Redact(json[..random.Next(json.Length)]), StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Garbage_IsBornAndBounded()
    {
        var random = new Random(5);
        for (var i = 0; i < 500; i++)
        {
            var garbage = new string([.. Enumerable.Range(0, random.Next(200)).Select(_ => "{}[]\":,\\u00 atokenpassword\n"[random.Next(27)])]);
            Assert.InRange(Redact(garbage).Length, 0, garbage.Length * 8 + 100);
        }
        Assert.Equal(20_000, Redact(new string('[', 20_000)).Length);
    }

    private static JsonNode? Node(Random random, int depth)
    {
        string[] secret = ["password", "apiKey", "x-auth-token", "Set-Cookie", "private_key", "clientSecret"];
        var result = new JsonObject();
        for (var i = random.Next(1, 4); i > 0; i--)
        {
            result[$"n{i}\"\\é"] = depth < 4 && random.Next(2) == 0 ? Node(random, depth + 1) : new JsonArray(1, "te\"xt\n", null);
        }
        var value = random.Next(4) switch
        {
            0 => JsonValue.Create("S3CRET \"with\\ quotes"),
            1 => new JsonArray("S3CRET", new JsonObject { ["a"] = "S3CRET" }),
            2 => (JsonNode)new JsonObject { ["x"] = new JsonObject { ["y"] = "S3CRET}" } },
            _ => JsonValue.Create("S3CRET{[,"),
        };
        result[secret[random.Next(secret.Length)]] = value;
        return result;
    }
}
