using McpCan.Server.Web.Pages.Wizard;
using McpCan.Server.Web.Parts;

namespace McpCan.UnitTests.Web;

public sealed class CommandTextTests
{
    [Theory]
    [InlineData("npx -y server", "npx|-y|server")]
    [InlineData("  node   a.js  ", "node|a.js")]
    [InlineData("run \"two words\" 'single \"quoted\"'", "run|two words|single \"quoted\"")]
    [InlineData("a\\ b c", "a b|c")]
    [InlineData("x \"\" y", "x||y")]
    public void Split_Line_GivesArguments(string line, string expected) => Assert.Equal(expected.Split('|'), CommandText.Split(line)!);

    [Fact]
    public void Split_ShellCharacters_StayAsTheyAre() => Assert.Equal(["$HOME", "*.js", "|", "rm"], CommandText.Split("$HOME *.js | rm")!);

    [Fact]
    public void Split_OpenQuote_GivesNull() => Assert.Null(CommandText.Split("echo \"oops"));

    [Fact]
    public void Join_AnyArguments_SplitsBackToTheSame()
    {
        string[] arguments = ["npx", "", "two words", "a\"b", "c\\d", "it's", "--x=1 2", "路径 名"];
        Assert.Equal(arguments, CommandText.Split(CommandText.Join(arguments))!);
    }

    [Fact]
    public void EnvText_DotEnv_IsRead()
    {
        var entries = EnvText.Parse("# comment\nexport A=1\nAPI_KEY=\"s p\" \nEMPTY=\nURL=https://x?a=b # note\n1BAD=x\nnothing\n");
        Assert.Equal(["A", "API_KEY", "EMPTY", "URL"], entries.Select(e => e.Name));
        Assert.Equal(["1", "s p", "", "https://x?a=b"], entries.Select(e => e.Value));
        Assert.Equal([false, true, false, false], entries.Select(e => e.Secret));
    }

    [Theory]
    [InlineData("@acme/weather-mcp@1.4.2", "Weather mcp")]
    [InlineData("@modelcontextprotocol/server-everything", "Everything")]
    [InlineData("mcp-server-time", "Mcp server time")]
    public void Draft_SuggestsAName(string package, string name)
    {
        var draft = new WizardDraft();
        draft.SuggestName(package);
        Assert.Equal(name, draft.Name);
    }
}
