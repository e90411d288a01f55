using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace McpCan.Server.Migrations.Postgres
{
    /// <inheritdoc />
    public partial class MarketSources : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.CreateTable(
                name: "MarketEntries",
                columns: table => new
                {
                    SourceId = table.Column<string>(type: "text", nullable: false),
                    Name = table.Column<string>(type: "text", nullable: false),
                    Title = table.Column<string>(type: "text", nullable: false),
                    SearchText = table.Column<string>(type: "text", nullable: false),
                    Deployable = table.Column<bool>(type: "boolean", nullable: false),
                    Item = table.Column<string>(type: "text", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_MarketEntries", x => new { x.SourceId, x.Name });
                });

            migrationBuilder.CreateTable(
                name: "MarketSources",
                columns: table => new
                {
                    Id = table.Column<string>(type: "text", nullable: false),
                    Name = table.Column<string>(type: "text", nullable: false),
                    Kind = table.Column<string>(type: "text", nullable: false),
                    Url = table.Column<string>(type: "text", nullable: false),
                    Token = table.Column<string>(type: "text", nullable: true),
                    RefreshHours = table.Column<int>(type: "integer", nullable: false),
                    Offered = table.Column<string>(type: "text", nullable: false),
                    RefreshedAt = table.Column<long>(type: "bigint", nullable: true),
                    TriedAt = table.Column<long>(type: "bigint", nullable: true),
                    Problem = table.Column<string>(type: "text", nullable: true),
                    Count = table.Column<int>(type: "integer", nullable: false),
                    CreatedBy = table.Column<string>(type: "text", nullable: true)
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_MarketSources", x => x.Id);
                });

            migrationBuilder.CreateIndex(
                name: "IX_MarketSources_Name",
                table: "MarketSources",
                column: "Name",
                unique: true);
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropTable(
                name: "MarketEntries");

            migrationBuilder.DropTable(
                name: "MarketSources");
        }
    }
}
