namespace McpCan.UnitTests;

public sealed class SmokeTests
{
    [Fact]
    public void Errors_HaveTheCodesOfTheSpecification() => Assert.Equal(-32700, Protocol.McpErrors.ParseError);
}
