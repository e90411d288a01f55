using McpCan.Gateway;
using McpCan.Server.Access;
using McpCan.Server.Web.Pages.Tokens;

namespace McpCan.UnitTests.Web;

public sealed class TokenLimitsTests
{
    [Fact]
    public void Over_Unchanged_KeepsEveryRule()
    {
        var token = Token();
        token.Tools = new(["a", "b*"], ["b2"]);
        token.Prompts = new([], []); // none is open
        token.Addresses = ["10.0.0.0/8"];
        token.Limits = new TrafficLimits(60, null, 2);

        var patch = TokenLimits.Of(token).Over(new TokenPatch());

        Assert.Equal(["a", "b*"], patch.Tools.Value!.Allow.Value!);
        Assert.Equal(["b2"], patch.Tools.Value!.Deny.Value!);
        Assert.Empty(patch.Prompts.Value!.Allow.Value!);
        Assert.Null(patch.Resources.Value!.Allow.Value);
        Assert.Equal(["10.0.0.0/8"], patch.Addresses.Value!);
        Assert.Equal((60, null, 2), (patch.Limits.Value!.RequestsPerMinute.Value, patch.Limits.Value!.ConcurrentCalls.Value, patch.Limits.Value!.Sessions.Value));
    }

    [Fact]
    public void Over_OfLines_TakesNamesOnceAndWithoutSpaces()
    {
        var limits = new TokenLimits { Tools = " a \r\nb, a\n\n", Addresses = "" };

        var input = limits.Over(new TokenInput("t", InstanceScope.Every));

        Assert.Equal(["a", "b"], input.Tools!.Allow.Value!);
        Assert.Null(input.Addresses);
        Assert.True(limits.Any);
        Assert.False(TokenLimits.Of(Token()).Any);
    }

    private static Token Token() => new() { Id = "t-1", Name = "t", Hash = "", Hint = "" };
}
