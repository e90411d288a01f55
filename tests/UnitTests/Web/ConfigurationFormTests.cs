using McpCan.Server.Environments;
using McpCan.Server.Hosting;
using McpCan.Server.Instances;
using McpCan.Server.Runtimes;
using McpCan.Server.Web.Pages.Instances.Tabs;

namespace McpCan.UnitTests.Web;

public sealed class ConfigurationFormTests
{
    [Fact]
    public void Patch_OfAnotherCommand_KeepsWhereTheServerListens()
    {
        var listens = new HttpEndpoint(3001, "/mcp", "sse");
        var instance = new Instance { Id = "i-a", Name = "Weather", Slug = "weather", Mode = InstanceModes.Managed, Environment = "e-engine", Source = new CommandSource("node", ["server.js"]) { Http = listens } };
        var form = ConfigurationTab.Form.Of(instance);
        form.Command = "node other.js --fast";

        var source = form.ToPatch(instance, new EnvironmentMap([])).Source.Value!.Over(instance.Source, new Checks());

        var command = Assert.IsType<CommandSource>(source);
        Assert.Equal("node", command.Command);
        Assert.Equal(["other.js", "--fast"], command.Args!);
        Assert.Equal(listens, command.Http);
    }
}
